import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("A paused node", .timeLimit(.minutes(10)))
struct PauseTests {
    private func steer(_ database: TestDatabase) async throws -> Operator {
        Operator(try await database.connect(), actor: "tester@here", via: "test")
    }

    private func queued(_ database: TestDatabase, is count: Int) async throws {
        try await eventually("\(count) events are queued") {
            let rows = try await database.query("select count(*)::text from rejoinder.queue where state = 'queued'")
            return rows == [["\(count)"]]
        }
    }

    @Test(
        "is refused by every ingress within a second, its waiting callers at once; and served again when it is resumed"
    )
    func refused() async throws {
        try await TestCluster.withDatabase { database in
            try await Rig.run(in: database) { first in
                try await Rig.run(in: database) { second in
                    let queue = try await self.steer(database)
                    async let waiting = first.outcome()
                    async let alsoWaiting = second.outcome()
                    try await self.queued(database, is: 2)
                    let start = ContinuousClock.now
                    #expect(try await queue.pause("node") == "paused")
                    for rig in [first, second] {
                        try await eventually("it refuses") {
                            rig.ingress.state.withLock { $0.refused == ["node"] }
                        }
                    }
                    #expect(ContinuousClock.now - start < .seconds(1))
                    #expect(await [waiting, alsoWaiting] == [.paused, .paused])
                    #expect(await first.outcome() == .paused)
                    #expect(await second.outcome() == .paused)
                    let codes = try await database.query("select state::text, code from rejoinder.recent")
                    #expect(codes == [["cancelled", "paused"], ["cancelled", "paused"]])

                    #expect(try await queue.resume("node") == "resumed")
                    for rig in [first, second] {
                        try await eventually("it lets in") { rig.ingress.state.withLock { $0.refused.isEmpty } }
                    }
                    try await first.withWorker { _ in
                        #expect(await first.outcome().text == "\"hello\"")
                        #expect(await second.outcome().text == "\"hello\"")
                    }
                }
            }
        }
    }

    @Test("is seen by its heartbeat where the notification got lost, and what was let in meanwhile is refused")
    func withoutNotification() async throws {
        try await Rig.run { rig in
            let id = EventID()
            async let waiting = rig.outcome(of: .sample(id: id))
            try await self.queued(rig.database, is: 1)
            try await rig.database.query("update rejoinder.node set paused_at = clock_timestamp() returning 1::text")
            // By the housekeeping.
            #expect(await waiting == .paused)
            try await eventually("it refuses") { rig.ingress.state.withLock { $0.refused == ["node"] } }
        }
    }

    @Test("lets its callers wait if so chosen, also where no worker serves it; they are served when it is resumed")
    func waits() async throws {
        var limits = IngressQueue.Limits()
        limits.workerGrace = .milliseconds(500)
        try await Rig.run(limits: limits) { rig in
            let queue = try await self.steer(rig.database)
            try await queue.pause("node", waits: true)
            let ids = (0..<20).map { _ in EventID() }
            let outcomes = Task { await rig.outcomes(of: ids.map { .sample(id: $0) }) }
            try await self.queued(rig.database, is: 20)
            try await rig.withWorker([.sample(["node", "other"], slots: 100)]) { worker in
                // Other nodes of the same lane go on, which moves its low-water mark past what waits.
                for _ in 0..<5 { #expect(await rig.outcome(of: .sample(node: "other")).text != nil) }
                #expect(
                    try await rig.database.query("select queued::text from rejoinder.nodes where paused") == [["20"]]
                )
                let start = ContinuousClock.now
                try await queue.resume("node")
                let served = await outcomes.value
                #expect(served.allSatisfy { $0.text != nil })
                #expect(ContinuousClock.now - start < .seconds(5))
                #expect(worker.recorder.complaints == [])
            }
        }
    }

    @Test("waits no longer than until the deadline")
    func deadline() async throws {
        try await Rig.run { rig in
            try await self.steer(rig.database).pause("node", waits: true)
            #expect(await rig.outcome(of: .sample(timeLeft: .seconds(1))) == .expired)
        }
    }

    @Test("what runs goes on to its answer; what would run again is refused")
    func running() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let housekeeper = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            try await connection.enqueue((0..<3).map { _ in .sample() }, ingress: 1)
            let claims = try await connection.claim(worker, count: 2)
            let queue = Operator(connection, actor: "a", via: "test")
            try await queue.pause("node")
            try await connection.answer(
                worker,
                [(claims[0], .answered([0x31])), (claims[1], .retry(code: "x", error: ""))]
            )
            #expect(try await connection.claim(worker).isEmpty)
            #expect(try await housekeeper.recover() == [0, 1, 0])
            #expect(
                try await connection.query(
                    "select state::text, code, attempt::text from rejoinder.recent order by state, attempt desc"
                )
                    == [["answered", nil, "1"], ["cancelled", "paused", "1"], ["cancelled", "paused", "0"]]
            )
            // From refusing to letting them wait, and back.
            try await queue.pause("node", waits: true)
            try await connection.enqueue([.sample()], ingress: 1)
            #expect(try await housekeeper.recover() == [0, 0, 0])
            #expect(try await connection.claim(worker).isEmpty)
            try await queue.pause("node")
            #expect(try await connection.query("select id::text from rejoinder.queue") == [])
        }
    }

    @Test("what waited keeps its order when it is resumed, behind what was queued before")
    func order() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            let queue = Operator(connection, actor: "a", via: "test")
            try await queue.pause("node", waits: true)
            let ids = try await connection.enqueue((0..<50).map { _ in .sample() }, ingress: 1)
            let mark = try await connection.highWater
            try await queue.resume("node")
            let claims = try await connection.claim(worker, count: 100, after: mark + 1)
            #expect(claims.sorted { $0.place < $1.place }.map(\.id) == ids)
        }
    }

    @Test("can be one that was never called; it can't be resumed twice, nor can a retry get round it")
    func refusals() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let queue = Operator(connection, actor: "a", via: "test")
            try await queue.pause("never")
            let nodes = try await queue.nodes()
            #expect(nodes.map(\.node) == ["never"])
            #expect(nodes.first?.isPaused == true && nodes.first?.waits == false && nodes.first?.pausedAt != nil)

            let ids = try await connection.enqueue([.sample(node: "never")], ingress: 1)
            try await queue.cancel(ids[0])
            let retried = try await #require(throws: QueueError.self) { try await queue.retry(ids[0]) }
            #expect(retried.code == .refused)
            #expect(retried.message == "node never is paused: resume it before you retry event \(ids[0])")
            try await queue.resume("never")
            #expect(try await queue.retry(ids[0]) == "queued")

            let twice = try await #require(throws: QueueError.self) { try await queue.resume("never") }
            #expect(twice.message == "node never is not paused")
            for name in ["", String(repeating: "x", count: 201)] {
                let error = try await #require(throws: QueueError.self) { try await queue.pause(name) }
                #expect(error.message == "a node's name has 1 to 200 characters")
            }
        }
    }
}
