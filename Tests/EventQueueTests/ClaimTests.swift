import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Claims", .timeLimit(.minutes(10)))
struct ClaimTests {
    @Test("an event that was enqueued while its claim was under way was not claimed before that")
    func enqueuedMeanwhile() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue([.sample()], ingress: 1)
            try await connection.query("update rejoinder.live set enqueued_at = clock_timestamp() + interval '1 s'")
            #expect(try await connection.claim(1).count == 1)
            let claimed = try await connection.query("select (claimed_at = enqueued_at)::text from rejoinder.live")
            #expect(claimed == [["true"]])
        }
    }

    @Test("twenty that claim at once get each of 2,000 events exactly once")
    func exclusive() async throws {
        try await TestCluster.withDatabase { database in
            let events = (0..<2000).map { NewEvent.sample(node: "node\($0 % 3)") }
            try await database.connect().enqueue(events, ingress: 1)
            let claimed = try await withThrowingTaskGroup(of: [EventID].self) { group in
                for worker in Int32(1)...20 {
                    group.addTask {
                        let connection = try await database.connect()
                        let lane = LaneOptions.sample(worker.isMultiple(of: 2) ? ["node0", "node1", "node2"] : nil)
                        var mine: [EventID] = []
                        while true {
                            let claims = try await connection.claim(worker, lane, count: Int(worker % 7) + 1)
                            // What others are just claiming is skipped, so an empty hand doesn't mean an empty queue.
                            if claims.isEmpty, try await connection.queued == 0 { break }
                            mine += claims.map(\.id)
                        }
                        await connection.close()
                        return mine
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(claimed.count == 2000)
            #expect(Set(claimed) == Set(events.map(\.id)))
            let attempts = try await database.query("select distinct attempt::text, state::text from rejoinder.event")
            #expect(attempts == [["1", "running"]])
        }
    }

    @Test("a claim tells what its handler needs")
    func contents() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let event = NewEvent.sample(text: "héllo", timeLeft: .seconds(20))
            try await connection.enqueue([event], ingress: 42)
            let lane = LaneOptions.sample(maxAttempts: 5, atMostOnce: true)
            let claim = try #require(try await connection.claim(7, lane).first)
            #expect(claim.id == event.id)
            #expect(claim.attempt == 1)
            #expect(claim.endpoint == "/webhook")
            #expect(claim.node == "node")
            #expect(claim.payload == event.payload)
            #expect(claim.deadline <= .now + .seconds(20))
            #expect(claim.deadline > .now)
            let row = try await connection.events(
                "worker",
                "max_attempts",
                "at_most_once",
                "(claimed_at is not null)",
                "place"
            )
            #expect(row == [["7", "5", "true", "true", "\(claim.place)"]])
        }
    }

    @Test("oldest first, across nodes, up to the number asked for", arguments: [5, 20])
    func order(served: Int) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let events = (0..<30).map { NewEvent.sample(node: "node\($0 * 7 % 5)") }
            // In two batches, since only the order of batches and the order within one are the queue's.
            try await connection.enqueue(Array(events[..<15]), ingress: 1)
            try await connection.enqueue(Array(events[15...]), ingress: 1)
            let lane = LaneOptions.sample((0..<served).map { "node\($0)" })
            var claimed: [EventID] = []
            for count in [1, 4, 10, 15] { claimed += try await connection.claim(1, lane, count: count).map(\.id) }
            #expect(claimed == events.map(\.id))
            #expect(try await connection.claim(1, lane).isEmpty)
        }
    }

    @Test("only of the nodes that the lane serves")
    func nodes() async throws {
        let cases: [(lane: LaneOptions, expected: [String])] = [
            (.sample(["a"]), ["a"]), (.sample(["a", "c", "never called"]), ["a", "c"]), (.sample([]), []),
            (.sample(nil), ["a", "b", "c"]), (.sample(nil, excluding: ["b"]), ["a", "c"]),
            (.sample(nil, excluding: ["a", "b", "c"]), []),
        ]
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue(["a", "b", "c"].map { .sample(node: $0) }, ingress: 1)
            for (lane, expected) in cases {
                let claims = try await connection.claim(1, lane)
                #expect(claims.map(\.node).sorted() == expected)
                for claim in claims { _ = try await connection.release(1, [claim]) }
            }
        }
    }

    @Test("below the low-water mark nothing is looked for, and the high water is the last place")
    func lowWaterMark() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue((0..<5).map { _ in .sample() }, ingress: 1)
            let places = try await connection.events("place").compactMap { $0[0].flatMap { Int64($0) } }
            let highWater: Int64 = try await connection.highWater
            #expect(highWater == places.last)
            #expect(try await connection.claim(1, after: places[4] + 1).isEmpty)
            #expect(try await connection.claim(1, after: places[3]).map(\.place) == [places[3], places[4]])
            #expect(try await connection.claim(1, .sample(nil), after: places[2]).map(\.place) == [places[2]])
            #expect(try await connection.claim(1).map(\.place) == [places[0], places[1]])
        }
    }

    @Test("the low-water mark waits for what is enqueued and not committed, and for what another has locked and leaves")
    func proofs() async throws {
        // Of its own: what others write on the server holds a mark back.
        try await TestCluster.withCluster { _, database in
            let connection = try await database.connect()
            let other = try await database.connect()
            var claimer = ProvingClaimer(connection)
            // The node is known from then on.
            let first = try await connection.enqueue([.sample()], ingress: 1)
            #expect(try await claimer.claim(10) == first)
            let event = NewEvent.sample()
            try await other.run(script: "begin", timeout: .seconds(10))
            try await other.query(
                """
                select rejoinder.enqueue(1, array['\(event.id)'::uuid], array['/webhook'], array['node'], array[29000], array['{}'::json])
                """
            )
            let ids = try await connection.enqueue([.sample(), .sample()], ingress: 1)
            let place = try await connection.highWater - 2
            #expect(try await claimer.claim(10) == ids)
            for _ in 0..<4 { #expect(try await claimer.claim(10).isEmpty) }
            #expect(claimer.mark.place(at: claimer.now) <= place)
            try await other.run(script: "commit", timeout: .seconds(10))
            #expect(try await claimer.claim(10) == [event.id])
            #expect(try await claimer.proves(place + 2))

            // One after the other hold the same, and fail.
            let more = try await connection.enqueue([.sample(), .sample(), .sample()], ingress: 1)
            for _ in 0..<2 {
                try await other.run(script: "begin", timeout: .seconds(10))
                #expect(try await other.claim(2, count: 2).map(\.id) == [more[0], more[1]])
                for _ in 0..<3 { _ = try await claimer.claim(10) }
                #expect(claimer.mark.place(at: claimer.now) <= place + 3)
                try await other.run(script: "rollback", timeout: .seconds(10))
            }
            #expect(try await claimer.claim(1) == [more[0]])
            #expect(try await claimer.proves(place + 4))
            #expect(try await claimer.claim(10) == [more[1]])
        }
    }

    @Test("neither what it leaves since it is young nor what it can't know of is passed, what nobody may take is")
    func emptied() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            func emptiedBelow(_ count: Int32, _ lane: LaneOptions, waiting: Duration = .zero) async throws -> Int64? {
                let rows = try await connection.execute(
                    .claim(worker: 1, lane: lane, count: Int(count), after: 0, waiting: waiting, proving: true)
                )
                return LowWaterMark.Proof(rows)?.emptiedBelow
            }
            let nodes = (0..<10).map { "node\($0)" }
            try await connection.enqueue(nodes.map { .sample(node: $0) }, ingress: 1)
            let last = try await connection.highWater
            #expect(try await emptiedBelow(5, .sample(nodes), waiting: .seconds(60)) == last - 9)
            #expect(try await emptiedBelow(2, .sample(nodes)) == last - 7)
            #expect(try await emptiedBelow(10, .sample(["node2"])) == last)
            #expect(try await emptiedBelow(1, .sample(["node3", "node4"])) == last - 5)
            let queue = Operator(connection, actor: "a", via: "test")
            try await queue.pause("node4", waits: true)
            try await queue.limit("node5", running: 1, perSecond: nil)
            #expect(try await emptiedBelow(0, .sample(nil)) == last - 3)
            try await connection.query("update rejoinder.node set takes = '30 seconds' where name = 'node6'")
            #expect(try await emptiedBelow(2, .sample(["node4", "node5", "node6", "node7"])) == last)
            let unasked = try await connection.execute(.claim(worker: 1, lane: .sample(nil), count: 1, after: 0))
            #expect(unasked.count == 1 && LowWaterMark.Proof(unasked) == nil)
        }
    }

    @Test("what has less time left than its node takes is not started, and recovery marks it expired")
    func tooLate() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue(
                [
                    .sample(node: "slow", timeLeft: .seconds(9)), .sample(node: "slow", timeLeft: .seconds(29)),
                    .sample(node: "quick", timeLeft: .seconds(9)), .sample(node: "quick", timeLeft: .zero),
                ],
                ingress: 1
            )
            try await connection.query("update rejoinder.node set takes = '10 seconds' where name = 'slow'")
            let lane = LaneOptions.sample(["slow", "quick"])
            #expect(try await connection.claim(1, lane).map(\.node) == ["slow", "quick"])
            #expect(try await connection.recover() == [0, 0, 2])
            #expect(
                try await connection.events("state").flatMap(\.self) == ["expired", "running", "running", "expired"]
            )
        }
    }

    @Test(
        "overload: once something has waited for a third of its time, the newest are taken, of all nodes",
        arguments: [0, 20]
    )
    func newestFirst(others: Int) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let lane = LaneOptions.sample(["a", "b"] + (0..<others).map { "node\($0)" })
            let events = (0..<8).map { NewEvent.sample(node: $0.isMultiple(of: 2) ? "a" : "b") }
            try await connection.enqueue(events, ingress: 1)
            func wait(_ seconds: Double) async throws {
                try await connection.query(
                    "update rejoinder.live set enqueued_at = enqueued_at - interval '\(seconds) s', "
                        + "deadline = deadline - interval '\(seconds) s' where worker is null and place <= 5"
                )
            }
            func claim(_ count: Int) async throws -> [EventID] {
                try await connection.claim(1, lane, count: count).map(\.id).sorted { "\($0)" < "\($1)" }
            }
            // Not yet a third of 29 s.
            try await wait(9)
            #expect(try await claim(1) == [events[0].id])
            try await wait(1)
            #expect(try await claim(2) == [events[6].id, events[7].id])
            #expect(try await claim(1) == [events[5].id])
            // There is not more than can be taken: the oldest come too.
            #expect(try await claim(10) == events[1..<5].map(\.id))
        }
    }
}

extension PostgresConnection {
    /// How many events are queued.
    fileprivate var queued: Int {
        get throws(PostgresError) {
            Int(
                try self.execute(.sql("select count(*) from rejoinder.event where state = 'queued'")).integer(
                    0,
                    0,
                    as: Int64.self
                )
            )
        }
    }
}

/// One that remembers how far the queue is empty.
private struct ProvingClaimer {
    private let connection: PostgresConnection
    var mark = LowWaterMark()
    var now = ContinuousClock.now

    init(_ connection: PostgresConnection) { self.connection = connection }

    mutating func claim(_ count: Int) async throws -> [EventID] {
        self.now += .milliseconds(1)
        let start = self.mark.nextStart(at: self.now)
        let call = PostgresCall.claim(worker: 1, lane: .sample(), count: count, after: start, proving: true)
        let rows = try await self.connection.execute(call)
        self.mark.note(try #require(LowWaterMark.Proof(rows)), from: start, at: self.now)
        return (0..<rows.count).filter { !rows.isNull($0, 0) }.map { EventID(rows.uuid($0, 0)) }
    }

    /// Claims nothing, until the mark is there: vacuuming may hold it back.
    mutating func proves(_ place: Int64) async throws -> Bool {
        var tries = 0
        while self.mark.place(at: self.now) < place, tries < 900 {
            _ = try await self.claim(0)
            tries += 1
        }
        return self.mark.place(at: self.now) == place
    }
}
