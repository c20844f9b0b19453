import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import EventQueue

@Suite("A node's limits", .timeLimit(.minutes(10)))
struct LimitTests {
    /// What several claimers hold at the same time.
    private final class Ledger: Sendable {
        private let state = Mutex((held: 0, most: 0, answered: 0))

        var most: Int { self.state.withLock { $0.most } }
        var answered: Int { self.state.withLock { $0.answered } }

        func claimed(_ count: Int) {
            self.state.withLock { state in
                state.held += count
                state.most = max(state.most, state.held)
            }
        }

        /// To be said before the database is told.
        func ends(_ count: Int) {
            self.state.withLock { state in
                state.held -= count
                state.answered += count
            }
        }
    }

    @Test("a node that is given a limit while a claim waits for another's does not lock claims out of each other")
    func setMeanwhile() async throws {
        try await TestCluster.withDatabase { database in
            let holder = try await database.connect()
            let nodes = ["a", "b"]
            try await holder.enqueue(nodes.flatMap { node in (0..<5).map { _ in .sample(node: node) } }, ingress: 1)
            try await holder.query("select rejoinder.limit('b', 4, 100)")
            let held = "begin; select from rejoinder.node_limit where node = 'b' for update"
            try await holder.run(script: held, timeout: .seconds(5))
            @Sendable func waiting(_ count: Int) async throws {
                try await eventually("\(count) wait for a lock") {
                    let sql = """
                        select count(*)::text from pg_stat_activity
                         where datname = current_database() and wait_event_type = 'Lock'
                        """
                    return try await database.query(sql) == [["\(count)"]]
                }
            }
            try await withThrowingDiscardingTaskGroup { group in
                for number in 1...2 {
                    let connection = try await database.connect()
                    let worker = try await connection.register(.worker, [.sample(nodes)]).process
                    group.addTask {
                        let claims = try await connection.claim(worker, .sample(nodes), count: 2)
                        #expect(claims.count == 2)
                    }
                    try await waiting(number)
                    if number == 1 { try await database.query("select rejoinder.limit('a', 4, 100)") }
                }
                try await holder.run(script: "commit", timeout: .seconds(5))
            }
        }
    }

    @Test("of how many run at once are kept by four that claim at the same time, and reached", arguments: [1, 7])
    func running(limit: Int) async throws {
        try await TestCluster.withDatabase { database in
            let setup = try await database.connect()
            try await Operator(setup, actor: "a", via: "test").limit("node", running: Int32(limit), perSecond: nil)
            try await setup.enqueue((0..<300).map { _ in .sample(timeLeft: .seconds(600)) }, ingress: 1)
            let ledger = Ledger()
            try await withThrowingDiscardingTaskGroup { group in
                for claimer in 0..<4 {
                    let connection = try await database.connect()
                    let worker = try await connection.register(.worker, [.sample()]).process
                    group.addTask {
                        var random = SeededGenerator(UInt64(claimer))
                        var held: [Claim] = []
                        while ledger.answered < 300 {
                            let claims = try await connection.claim(
                                worker,
                                count: Int.random(in: 1...5, using: &random)
                            )
                            ledger.claimed(claims.count)
                            held += claims
                            let ending = held.prefix(Int.random(in: 0...held.count, using: &random))
                            held.removeFirst(ending.count)
                            guard !ending.isEmpty else { continue }
                            ledger.ends(ending.count)
                            try await connection.answer(worker, ending.map { ($0, .answered([0x31])) })
                        }
                    }
                }
            }
            #expect(ledger.most == limit)
            #expect(try await database.query("select count(*)::text from rejoinder.recent") == [["300"]])
        }
    }

    @Test("of how many start a second are kept by four that claim at the same time")
    func rate() async throws {
        try await TestCluster.withDatabase { database in
            let setup = try await database.connect()
            try await setup.enqueue((0..<500).map { _ in .sample(timeLeft: .seconds(600)) }, ingress: 1)
            let start = ContinuousClock.now
            try await Operator(setup, actor: "a", via: "test").limit("node", running: nil, perSecond: 100)
            let ledger = Ledger()
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<4 {
                    let connection = try await database.connect()
                    let worker = try await connection.register(.worker, [.sample()]).process
                    group.addTask {
                        while ledger.most < 150 {
                            let claims = try await connection.claim(worker, count: 3)
                            ledger.claimed(claims.count)
                            // One to start with, and then as many as the time allows.
                            let passed = (ContinuousClock.now - start) / .seconds(1)
                            #expect(Double(ledger.most) <= 1 + 100 * passed)
                        }
                    }
                }
            }
        }
    }

    @Test("the bucket holds the tokens of a second, or one, and starts with one")
    func bucket() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            let queue = Operator(connection, actor: "a", via: "test")
            try await connection.enqueue((0..<100).map { _ in .sample() }, ingress: 1)
            // No time passes but what is set here: nothing is refilled for what is to come.
            func pass(_ change: String) async throws {
                try await connection.query("update rejoinder.node_limit set \(change) returning 1::text")
            }
            let stop = "refilled_at = clock_timestamp() + interval '1 hour'"
            for (perSecond, burst) in [(8.0, 8), (0.01, 1)] {
                try await queue.limit("node", running: nil, perSecond: perSecond)
                try await pass("tokens = 1, \(stop)")
                #expect(try await connection.claim(worker, count: 50).count == 1)
                try await pass("refilled_at = clock_timestamp() - interval '1 hour'")
                #expect(try await connection.claim(worker, count: 50).count == burst)
                try await pass(stop)
                #expect(try await connection.claim(worker, count: 50).isEmpty)
            }
        }
    }

    @Test("claims begin at what was live at the last looks further back, and find what was committed late by the next")
    func lowest() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            try await connection.query("select rejoinder.limit('node', 5, null)")
            let early = try await connection.enqueue((0..<3).map { _ in .sample() }, ingress: 1)
            let first = try await connection.claim(worker, count: 2)
            #expect(first.map(\.id) == Array(early.prefix(2)))
            func lowest() async throws -> Int64 {
                try await connection.execute(.sql("select lowest from rejoinder.node_limit")).integer(0, 0)
            }
            func looksAgain() async throws {
                try await connection.query("update rejoinder.node_limit set looks_at = '-infinity'")
            }
            #expect(try await lowest() == 0, "what is being enqueued may have lower places than what it has seen")
            try await connection.answer(worker, first.map { ($0, .answered([0x31])) })
            try await looksAgain()
            #expect(try await connection.claim(worker, count: 5).map(\.id) == [early[2]])
            #expect(try await lowest() == first[0].place)
            try await looksAgain()
            #expect(try await connection.claim(worker).isEmpty)
            #expect(try await lowest() == first[1].place + 1)

            let late = try await connection.enqueue([.sample()], ingress: 1)
            try await connection.query("update rejoinder.live set place = 0 where id = '\(late[0])'")
            #expect(try await connection.claim(worker).isEmpty, "it has looked just now")
            try await looksAgain()
            #expect(try await connection.claim(worker).map(\.id) == late)
            #expect(try await lowest() == 0)
            // What runs counts, wherever it is: five at once, of which two run.
            try await connection.enqueue((0..<9).map { _ in .sample() }, ingress: 1)
            #expect(try await connection.claim(worker).count == 3)
        }
    }

    @Test("a clock that is put back stops neither a rate's filling nor a claim")
    func clock() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample(["node", "other"])]).process
            try await connection.query("select rejoinder.limit('node', null, 20)")
            try await connection.enqueue([.sample(), .sample(node: "other")], ingress: 1)
            // As it is after a step back by a minute.
            let minute = "clock_timestamp() + interval '1 minute'"
            try await connection.query(
                "update rejoinder.node_limit set tokens = 0.3, refilled_at = \(minute), looks_at = \(minute) + interval '5 s'"
            )
            try await connection.query(
                "update rejoinder.live set enqueued_at = \(minute), deadline = deadline + interval '1 h'"
            )
            #expect(try await connection.claim(worker, .sample(["node", "other"])).map(\.node) == ["other"])
            // Nor does an event that is part of a trace, which says how long it waited.
            let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            try await connection.query("update rejoinder.received set trace = '\(trace)'")
            try await connection.query("update rejoinder.live set enqueued_at = enqueued_at + interval '1 h'")
            try await eventually("the rate lets it through") {
                try await connection.claim(worker, .sample(["node", "other"])).count == 1
            }
        }
    }

    @Test("a rate that is raised does not make up for the time before")
    func raised() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.query("select rejoinder.limit('node', null, 0.05)")
            try await connection.query(
                "update rejoinder.node_limit set tokens = 0, refilled_at = clock_timestamp() - interval '30 s'"
            )
            try await connection.query("select rejoinder.limit('node', null, 300)")
            // A token and a half of the 30 s, and what has come in the few milliseconds since.
            let tokens = try await connection.query(
                "select (tokens between 1 and 2)::text from rejoinder.node_limit"
            )
            #expect(tokens == [["true"]])
        }
    }

    @Test("hold back no other node of the lane, and what they let through comes in the queue's order")
    func others() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let lane = LaneOptions.sample(["a", "b"])
            let worker = try await connection.register(.worker, [lane]).process
            let queue = Operator(connection, actor: "a", via: "test")
            try await queue.limit("a", running: 2, perSecond: nil)
            let ids = try await connection.enqueue("aabaabbb".map { .sample(node: String($0)) }, ingress: 1)
            func claimed(_ count: Int) async throws -> [EventID] {
                try await connection.claim(worker, lane, count: count).sorted { $0.place < $1.place }.map(\.id)
            }
            #expect(try await claimed(1) == [ids[0]])
            #expect(try await claimed(2) == [ids[1], ids[2]])
            #expect(try await claimed(2) == [ids[5], ids[6]])
            // A catch-all that leaves it out is not concerned.
            #expect(try await connection.claim(worker, .sample(nil, excluding: ["a"])).map(\.id) == [ids[7]])
            try await queue.limit("a", running: nil, perSecond: nil)
            #expect(Set(try await connection.claim(worker, .sample(nil)).map(\.id)) == [ids[3], ids[4]])
        }
    }

    @Test("what a lost worker held is not counted for ever; at most once, and what runs again, are")
    func lostWorker() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let lost = try await database.connect()
            let housekeeper = try await database.connect()
            let gone = try await lost.register(.worker, [.sample()]).process
            let worker = try await connection.register(.worker, [.sample()]).process
            try await Operator(connection, actor: "a", via: "test").limit("node", running: 2, perSecond: nil)
            try await connection.enqueue((0..<5).map { _ in .sample() }, ingress: 1)
            #expect(try await lost.claim(gone, .sample(atMostOnce: true)).count == 2)
            #expect(try await connection.claim(worker).isEmpty)
            await lost.close()
            var claims: [Claim] = []
            try await eventually("others may start") {
                _ = try await housekeeper.recover()
                claims += try await connection.claim(worker)
                return !claims.isEmpty
            }
            #expect(claims.count <= 2)
            try await connection.answer(worker, [(claims[0], .retry(code: "again", error: ""))])
            let again = try await connection.claim(worker)
            #expect(again.count == 3 - claims.count)
        }
    }

    @Test("workers reach them: a slot that becomes free is used at once, also by another worker, and so are tokens")
    func workers() async throws {
        try await Rig.run { rig in
            let queue = Operator(try await rig.database.connect(), actor: "a", via: "test")
            let ledger = Ledger()
            let handle: @Sendable (Claim) async -> AttemptOutcome? = { claim in
                ledger.claimed(1)
                try? await Task.sleep(for: .milliseconds(20))
                ledger.ends(1)
                return .answered(claim.payload)
            }
            try await rig.withWorker(handle: handle) { first in
                try await rig.withWorker(handle: handle) { second in
                    try await queue.limit("node", running: 4, perSecond: nil)
                    // 100 in turns of 4, each of 20 ms and what comes between.
                    let start = ContinuousClock.now
                    #expect(await rig.outcomes(of: (0..<100).map { _ in .sample() }).allSatisfy { $0.text != nil })
                    #expect(ledger.most == 4)
                    #expect(ContinuousClock.now - start < .seconds(10))

                    try await queue.limit("node", running: nil, perSecond: 40)
                    let again = ContinuousClock.now
                    #expect(await rig.outcomes(of: (0..<81).map { _ in .sample() }).allSatisfy { $0.text != nil })
                    let took = ContinuousClock.now - again
                    #expect(took >= .milliseconds(1950) && took < .seconds(6), "\(took)")

                    try await queue.limit("node", running: nil, perSecond: nil)
                    #expect(await rig.outcomes(of: (0..<200).map { _ in .sample() }).allSatisfy { $0.text != nil })
                    #expect(first.recorder.complaints == [] && second.recorder.complaints == [])
                }
            }
        }
    }

    @Test("what they would hold back beyond its deadline fails early, in the order in which events start")
    func early() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let queue = Operator(connection, actor: "a", via: "test")
            try await queue.limit("node", running: nil, perSecond: 2)
            let ids = try await connection.enqueue((0..<40).map { _ in .sample(timeLeft: .seconds(10)) }, ingress: 1)
            try await connection.enqueue([.sample(node: "other")], ingress: 1)
            let full = "tokens = 0, refilled_at = clock_timestamp()"
            try await connection.query("update rejoinder.node_limit set \(full) returning 1::text")
            // Two a second for ten seconds, a little of which is over.
            let expired = try await connection.recover()[2]
            #expect((20...22).contains(expired), "\(expired)")
            let first = try await connection.query(
                "select min(place)::text from rejoinder.event where state = 'expired'"
            )
            let oldest = try await connection.query(
                "select place::text from rejoinder.event where id = '\(ids[39 - Int(expired) + 1])'"
            )
            #expect(first == oldest)

            // Once the newest start first, it is the oldest that fail.
            try await connection.query(
                """
                update rejoinder.live
                   set enqueued_at = clock_timestamp() - interval '10 s', deadline = clock_timestamp() + interval '5 s'
                 where node = 'node' returning 1::text
                """
            )
            try await connection.query("update rejoinder.node_limit set \(full) returning 1::text")
            let later = try await connection.recover()[2]
            #expect((8...11).contains(later), "\(later)")
            #expect(
                try await connection.query("select state::text from rejoinder.event where id = '\(ids[0])'")
                    == [["expired"]]
            )
        }
    }

    @Test("what they hold back is told in time, at its deadline at the latest")
    func deadline() async throws {
        try await Rig.run { rig in
            let queue = Operator(try await rig.database.connect(), actor: "a", via: "test")
            try await queue.limit("node", running: nil, perSecond: 0.01)
            try await rig.withWorker { _ in
                let outcomes = await rig.outcomes(of: (0..<5).map { _ in .sample(timeLeft: .seconds(2)) })
                #expect(outcomes.count { $0.text != nil } == 1)
                #expect(outcomes.count { $0 == .expired } == 4)
            }
        }
    }

    @Test("are refused where they make no sense, changed while they hold, and shown")
    func changes() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let queue = Operator(connection, actor: "a", via: "test")
            for (running, perSecond, word) in [
                (0, nil, "running is 0"), (nil, 0, "per_second is 0"), (nil, .nan, "NaN"),
            ]
                as [(Int32?, Double?, String)]
            {
                let error = try await #require(throws: QueueError.self) {
                    try await queue.limit("node", running: running, perSecond: perSecond)
                }
                #expect(error.code == .refused && error.message.contains(word), "\(error)")
            }
            #expect(try await queue.limit("node", running: 2, perSecond: 1.5) == "limited")
            var node = try #require(try await queue.nodes().first)
            #expect(node.maxRunning == 2 && node.maxPerSecond == 1.5 && node.node == "node")
            try await queue.limit("node", running: 3, perSecond: nil)
            node = try #require(try await queue.nodes().first)
            #expect(node.maxRunning == 3 && node.maxPerSecond == nil)
            #expect(try await queue.limit("node", running: nil, perSecond: nil) == "unlimited")
            node = try #require(try await queue.nodes().first)
            #expect(node.maxRunning == nil && node.maxPerSecond == nil)
            #expect(try await database.query("select is_limited::text from rejoinder.node") == [["false"]])
        }
    }
}
