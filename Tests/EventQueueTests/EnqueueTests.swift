import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Events are enqueued", .timeLimit(.minutes(10)))
struct EnqueueTests {
    @Test("a batch is stored as it came, with a deadline on the database's clock")
    func stored() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let text = #"é \u0000 "#
            let event = NewEvent.sample(node: "price", text: text, timeLeft: .seconds(20))
            let ingress = try await connection.register(.ingress).process
            try await connection.enqueue([event], ingress: ingress)
            let rows = try await connection.events(
                "id",
                "state",
                "attempt",
                "ingress",
                "endpoint",
                "node",
                "(select payload from rejoinder.received as r where r.id = event.id)",
                "(deadline - enqueued_at between '19 seconds' and '20 seconds')",
                "(finished_at is null and worker is null)"
            )
            #expect(
                rows == [
                    [
                        event.id.description, "queued", "0", "\(ingress)", "/webhook", "price", "\"\(text)\"", "true",
                        "true",
                    ]
                ]
            )
            #expect(try await connection.query("select name from rejoinder.node") == [["price"]])
        }
    }

    @Test("doing it again is harmless, whatever has become of the event")
    func idempotent() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            let events = (0..<4).map { _ in NewEvent.sample() }
            try await connection.enqueue(Array(events[0..<3]), ingress: 1)
            let claims = try await connection.claim(worker, count: 2)
            try await connection.answer(worker, [(claims[0], .answered([UInt8(ascii: "1")]))])
            let before = try await connection.events("id", "state", "place", "attempt")

            try await connection.enqueue(events, ingress: 1)
            let after = try await connection.events("id", "state", "place", "attempt")
            #expect(Array(after[0..<3]) == before)
            #expect(before.map { $0[1] } == ["answered", "running", "queued"])
            #expect(after.count == 4)
            #expect(after[3][0] == events[3].id.description)
        }
    }

    @Test("two batches with the same events at the same time store each once")
    func atOnce() async throws {
        try await TestCluster.withDatabase { database in
            let events = (0..<200).map { NewEvent.sample(node: "node\($0 % 7)") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask { try await database.connect().enqueue(events, ingress: 1) }
                }
                try await group.waitForAll()
            }
            #expect(try await database.query("select count(*)::text from rejoinder.event") == [["200"]])
            #expect(try await database.query("select count(*)::text from rejoinder.live") == [["200"]])
            #expect(try await database.query("select count(*)::text from rejoinder.node") == [["7"]])
        }
    }

    @Test("batches that name new nodes in other orders don't lock each other out")
    func newNodes() async throws {
        try await TestCluster.withDatabase { database in
            func hold(_ node: String) async throws -> (connection: PostgresConnection, pid: String?) {
                let connection = try await database.connect()
                let script = "begin; insert into rejoinder.node (name) values ('\(node)')"
                try await connection.run(script: script, timeout: .seconds(5))
                return (connection, try await connection.query("select pg_backend_pid()::text")[0][0])
            }
            func letGo(_ holder: (connection: PostgresConnection, pid: String?)) async throws {
                try await holder.connection.run(script: "rollback", timeout: .seconds(5))
                try await untilWaiting(0, for: holder.pid)
            }
            func untilWaiting(_ count: Int, for pid: String? = nil) async throws {
                try await eventually("\(count) wait for a lock") {
                    try await database.query(
                        """
                        select count(*)::text
                          from pg_stat_activity
                         where datname = current_database() and wait_event_type = 'Lock'
                           and coalesce(\(pid ?? "null") = any (pg_blocking_pids(pid)), true)
                        """
                    ) == [["\(count)"]]
                }
            }
            let (b, c) = (try await hold("b"), try await hold("c"))
            let (first, second) = (try await database.connect(), try await database.connect())
            async let one = first.enqueue(["b", "a"].map { .sample(node: $0) }, ingress: 1)
            try await untilWaiting(1)
            async let other = second.enqueue(["a", "c", "b"].map { .sample(node: $0) }, ingress: 2)
            try await untilWaiting(2)
            // In the order that they came in, the first would have b now and want a, and the second have a and want b.
            try await letGo(b)
            try await letGo(c)
            _ = try await (one, other)
            #expect(try await database.query("select count(*)::text from rejoinder.live") == [["5"]])
        }
    }

    @Test("ids from a clock that is far off are kept apart, and served all the same")
    func skewed() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            let odd = [
                EventID(high: 0x7000, low: 0x8000_0000_0000_0001),
                EventID(high: 0x7FFF_FFFF_FFFF_7000, low: 0x8000_0000_0000_0002), EventID(high: 0, low: 3),
            ]
            let events = odd.map { NewEvent.sample(id: $0) } + [.sample()]
            try await connection.enqueue(events, ingress: 1)
            try await connection.enqueue(events, ingress: 1)
            let stored = try await connection.query(
                """
                select r.id::text
                  from rejoinder.received_default as r
                  join rejoinder.live as l on l.id = r.id
                 order by l.place
                """
            )
            #expect(stored == odd.map { [$0.description] })

            let claims = try await connection.claim(worker)
            #expect(claims.map(\.id) == events.map(\.id))
            let accepted = try await connection.answer(worker, claims.map { ($0, .answered([UInt8(ascii: "1")])) })
            #expect(accepted.count == 4)
            let results = try await connection.execute(.results(odd))
            #expect(results.count == 3)
            let ended = try await connection.query("select count(*)::text from rejoinder.outcome_default")
            #expect(ended == [["3"]])
        }
    }

    @Test("a payload that is no JSON fails the batch with the class of data errors")
    func invalid() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let bad = NewEvent(endpoint: "/", node: "node", payload: Array("{".utf8), deadline: .now + .seconds(5))
            let error = try await #require(throws: PostgresError.self) {
                try await connection.enqueue([.sample(), bad], ingress: 1)
            }
            #expect(error.sqlState == "22P02")
            #expect(try await connection.events("id").isEmpty)
        }
    }
}
