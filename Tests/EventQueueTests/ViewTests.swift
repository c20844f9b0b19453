import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("What one sees from psql", .timeLimit(.minutes(10)))
struct ViewTests {
    /// Of use to the other functions alone.
    private static let inner: Set = [
        "lock_class", "channel", "commit_durably", "has_attention", "nodes_served", "give_up", "make_known", "hear",
        "bury", "await_writers",
        "expire", "without", "note", "refuse_paused", "put_back", "tell_ingresses", "ensure_node", "refilled",
        "claim_limited", "held_back_too_long", "state_of", "idle_lane", "is_covered", "grant_of", "grant_to",
    ]

    @Test("every view and every column of every view explains itself")
    func comments() async throws {
        try await TestCluster.withDatabase { database in
            let silent = try await database.query(
                """
                select c.relname || coalesce('.' || a.attname, '')
                  from pg_class as c
                  left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
                 where c.relnamespace = 'rejoinder'::regnamespace and c.relkind = 'v'
                   and (obj_description(c.oid, 'pg_class') is null or col_description(c.oid, a.attnum) is null)
                """
            )
            #expect(silent == [])
            let views = try await database.query("select name from rejoinder.help where what = 'view'").flatMap(\.self)
            #expect(views == ["event", "help", "incidents", "nodes", "overview", "queue", "recent", "workers"])
            let tables = try await database.query("select name from rejoinder.help where what = 'table'").flatMap(
                \.self
            )
            #expect(tables == ["audit", "definition", "received", "setting"])
        }
    }

    @Test("help lists every function that is meant to be called, and only those")
    func help() async throws {
        try await TestCluster.withDatabase { database in
            let all = try await database.query(
                "select proname::text from pg_proc where pronamespace = 'rejoinder'::regnamespace"
            )
            let listed = try await database.query(
                "select split_part(name, '(', 1) from rejoinder.help where what in ('function', 'procedure')"
            )
            let names = Set(listed.compactMap { $0[0] })
            #expect(names.union(Self.inner) == Set(all.compactMap { $0[0] }))
            #expect(names.isDisjoint(with: Self.inner))
            let lines = try await database.query("select explanation from rejoinder.help").compactMap { $0[0] }
            #expect(lines.allSatisfy { !$0.isEmpty && $0.count < 120 && !$0.contains("\n") })
        }
    }

    /// A worker that runs one event and has answered another, and one event in the queue.
    private func withQueue(_ body: (PostgresConnection, _ worker: Int32, [EventID]) async throws -> Void) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(
                .worker,
                [.sample(["a", "b"], slots: 3), .sample(["c"], slots: 4)]
            )
            let ids = try await connection.enqueue(
                [.sample(node: "a"), .sample(node: "a"), .sample(node: "b", timeLeft: .seconds(10))],
                ingress: 1
            )
            let claims = try await connection.claim(worker.process, .sample(["a"]), count: 2)
            try await connection.answer(worker.process, [(claims[0], .answered(Array("[1]".utf8)))])
            _ = try await connection.heartbeat(worker.process, busy: 1)
            try await body(connection, worker.process, ids)
        }
    }

    @Test("queue shows what is live, in its order")
    func queue() async throws {
        try await self.withQueue { connection, worker, ids in
            let rows = try await connection.query(
                """
                select id::text, node, state::text, (age between '0' and '1 minute')::text,
                       (time_left between '1 s' and '29 s')::text, attempt::text, worker, endpoint
                  from rejoinder.queue
                """
            )
            #expect(
                rows == [
                    [ids[1].description, "a", "running", "true", "true", "1", "test-worker (\(worker))", "/webhook"],
                    [ids[2].description, "b", "queued", "true", "true", "0", nil, "/webhook"],
                ]
            )
        }
    }

    @Test("recent shows what has ended, newest first")
    func recent() async throws {
        try await self.withQueue { connection, _, ids in
            try await connection.execute(.abandon([(ids[2], .hungUp)]))
            let rows = try await connection.query(
                """
                select id::text, node, (waited between '0' and '1 minute')::text, (took >= '0')::text, state::text,
                       attempt::text, answer::text, code, error, (finished <= clock_timestamp())::text
                  from rejoinder.recent
                """
            )
            #expect(
                rows == [
                    [ids[2].description, "b", "true", nil, "cancelled", "0", nil, "hung_up", nil, "true"],
                    [ids[0].description, "a", "true", "true", "answered", "1", "[1]", nil, nil, "true"],
                ]
            )
        }
    }

    @Test("overview counts by node: the live now, the ended of the last minute and hour, and their percentiles")
    func overview() async throws {
        try await self.withQueue { connection, worker, _ in
            try await connection.enqueue((0..<99).map { _ in .sample(node: "c") }, ingress: 1)
            let claims = try await connection.claim(worker, .sample(["c"]), count: 100)
            let outcomes = claims.enumerated().map { index, _ -> AttemptOutcome in
                index < 90 ? .answered([0x31]) : index < 96 ? .failed(code: "x", error: "") : .expired
            }
            try await connection.answer(worker, Array(zip(claims, outcomes)))
            let unserved = try await connection.enqueue([.sample(node: "d"), .sample(node: "d")], ingress: 1)
            try await connection.execute(.abandon(unserved.map { ($0, .noWorker) }))
            // Answered after 1 to 90 seconds, half of the others more than a minute ago.
            try await connection.query(
                """
                update rejoinder.outcome as e
                   set enqueued_at = finished_at - n * interval '1 s'
                  from (select id, row_number() over (order by id) as n from rejoinder.outcome where node = 'c') as numbered
                 where numbered.id = e.id
                """
            )
            try await connection.query(
                """
                update rejoinder.outcome as e
                   set finished_at = finished_at - interval '2 minutes', enqueued_at = enqueued_at - interval '2 minutes'
                  from (select id, row_number() over (order by id) as n from rejoinder.outcome where node = 'c') as numbered
                 where numbered.id = e.id and n % 2 = 0
                """
            )
            let columns = [
                "node", "queued", "running", "(oldest is not null)", "answered_minute", "answered_hour",
                "failed_minute",
                "failed_hour", "expired_minute", "expired_hour", "cancelled_minute", "cancelled_hour", "p50_ms",
                "p95_ms", "p99_ms",
            ].map { "\($0)::text" }.joined(separator: ", ")
            var rows = try await connection.query("select \(columns) from rejoinder.overview")
            #expect(rows.count == 4)
            #expect(
                rows.removeLast() == [
                    "d", "0", "0", "false", "0", "0", "0", "0", "0", "0", "2", "2", nil, nil, nil,
                ]
            )
            #expect(
                rows.removeLast() == [
                    "c", "0", "0", "false", "45", "90", "3", "6", "2", "3", "0", "0", "45500.0", "85550.0", "89110.0",
                ]
            )
            #expect(
                rows.map { Array($0.prefix(12)) } == [
                    ["a", "0", "1", "true", "1", "1", "0", "0", "0", "0", "0", "0"],
                    ["b", "1", "0", "true", "0", "0", "0", "0", "0", "0", "0", "0"],
                ]
            )
            #expect(rows[1].suffix(3) == [nil, nil, nil])
        }
    }

    @Test("workers shows the live ones: what they serve, how busy they are, and who is missing")
    func workers() async throws {
        try await self.withQueue { connection, worker, _ in
            let catchAll = try await connection.register(.worker, [.sample(nil, slots: 1), .sample(["x"], slots: 1)])
                .process
            let stopped = try await connection.register(.worker, [.sample()]).process
            try await connection.execute(PostgresCall(Statements.deregister, .of { $0.append(stopped) }))
            _ = try await connection.register(.ingress)
            try await connection.query(
                "update rejoinder.process set missing_since = clock_timestamp() where id = \(catchAll)"
            )
            let rows = try await connection.query(
                """
                select id::text, name, host, pid::text, nodes::text, slots::text, busy::text, missing::text, version,
                       (heartbeat between '0' and '1 minute')::text, (started_at <= clock_timestamp())::text
                  from rejoinder.workers
                """
            )
            let version = Version.current
            #expect(
                rows == [
                    [
                        "\(worker)", "test-worker", "host", "4711", "{a,b,c}", "7", "1", "false", version, "true",
                        "true",
                    ],
                    ["\(catchAll)", "test-worker", "host", "4711", "{*}", "2", "0", "true", version, "true", "true"],
                ]
            )
        }
    }
}
