import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("The hot functions ride on their indexes, whatever the statistics", .timeLimit(.minutes(10)))
struct PlanTests {
    /// A database that was never analysed, and whose queue many events have gone through; or a new one, where all is planned
    /// while there is a single event.
    private func withQueue(
        isNew: Bool = false,
        _ body: (PostgresConnection, LogRecorder, _ worker: Int32) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            let setup = try await database.connect()
            if !isNew { try await self.fill(setup) }
            let recorder = LogRecorder()
            let connection = try await PostgresConnection.connect(database.configuration, logger: recorder.logger)
            let worker = try await connection.register(.worker, [.sample()])
            if isNew { try await self.plan(on: connection, worker.process) }
            try await connection.enqueue((0..<50).map { _ in .sample() }, ingress: 0)
            try await self.load(on: connection)
            try await connection.run(
                script: """
                    set auto_explain.log_min_duration = 0;
                    set auto_explain.log_nested_statements = on;
                    set client_min_messages = log
                    """,
                timeout: .seconds(5)
            )
            try await body(connection, recorder, worker.process)
        }
    }

    private func fill(_ setup: PostgresConnection) async throws {
        try await setup.run(
            script: """
                do $$ declare part regclass; begin
                    for part in
                        select inhrelid::regclass from pg_inherits
                         where inhparent in ('rejoinder.received'::regclass, 'rejoinder.outcome'::regclass)
                        union select 'rejoinder.live'::regclass
                    loop
                        execute format('alter table %s set (autovacuum_enabled = off)', part);
                    end loop;
                end $$;
                insert into rejoinder.received (id, enqueued_at, deadline, endpoint, node, payload)
                select (left(rejoinder.id_at(clock_timestamp())::text, 24) || lpad(to_hex(n), 12, '0'))::uuid,
                       clock_timestamp(), clock_timestamp(), '/', 'node', '1'
                  from generate_series(1, 20000) as n;
                insert into rejoinder.live (id, enqueued_at, deadline, endpoint, node)
                select id, enqueued_at, deadline, endpoint, node from rejoinder.received;
                with ended as (delete from rejoinder.live returning *)
                insert into rejoinder.outcome (id, place, state, attempt, enqueued_at, finished_at, node, answer)
                select id, place, 'answered', 1, enqueued_at, clock_timestamp(), node, '2' from ended
                """,
            timeout: .seconds(30)
        )
    }

    /// Has a session plan what it does to events while there is hardly any, and the statistics know of none.
    private func plan(on connection: PostgresConnection, _ worker: Int32) async throws {
        try await connection.query("vacuum (analyze) rejoinder.live")
        try await connection.enqueue([.sample()], ingress: 1)
        var claims = try await connection.claim(worker, count: 1, proving: true)
        try await connection.answer(worker, [(claims[0], .retry(code: "again", error: ""))])
        claims = try await connection.claim(worker, count: 1)
        _ = try await connection.release(worker, [claims[0]])
        claims = try await connection.claim(worker, count: 1)
        try await connection.answer(worker, [(claims[0], .answered([UInt8(ascii: "1")]))])
        try await connection.enqueue([.sample()], ingress: 1)
        claims = try await connection.claim(worker, count: 1)
        try await connection.execute(.abandon([(claims[0].id, .hungUp)]))
    }

    /// Not every installation has the contributed modules; Debian's packages do.
    private func load(on connection: PostgresConnection) async throws {
        do {
            try await connection.run(script: "load 'auto_explain'", timeout: .seconds(5))
        } catch {
            guard error.sqlState == "58P01" else { throw error }
            try Test.cancel("this server has no auto_explain")
        }
    }

    /// The plans of the statements that touch the events' tables, as auto_explain sent them.
    private func plans(_ recorder: LogRecorder) -> [String] {
        recorder.entries.map { $0.text("postgres.message") }
            .filter { $0.contains("plan:") && $0.contains(/on (received|outcome|live)/) }
    }

    private func check(_ plans: [String]) {
        for plan in plans {
            #expect(!plan.contains(/Seq Scan on (received|outcome|live)/), "\(plan)")
            // All of an index is not better, nor is one without its first column.
            #expect(!plan.contains("Index Cond: (place"), "\(plan)")
            let scans = plan.matches(of: /Index .*Scan .*on (?:received|outcome|live).*\n\s*(\w+ ?\w*)/)
            #expect(scans.allSatisfy { $0.1 == "Index Cond" }, "\(plan)")
            // Compiling takes longer than any of these statements should.
            #expect(!plan.contains("JIT:"), "\(plan)")
        }
    }

    @Test(
        "enqueues, claims, answers and what tells of them use the indexes from the first call to the tenth",
        arguments: [false, true]
    )
    func path(isNew: Bool) async throws {
        try await self.withQueue(isNew: isNew) { connection, recorder, worker in
            for _ in 0..<10 {
                try await connection.enqueue((0..<3).map { _ in .sample() }, ingress: 1)
                let claims = try await connection.claim(worker, count: 5, proving: true)
                #expect(claims.count == 5)
                let outcomes = claims.map { (claim: $0, outcome: AttemptOutcome.answered([UInt8(ascii: "1")])) }
                #expect(try await connection.answer(worker, outcomes).count == 5)
                try await connection.settle(claims.map(\.id))
                #expect(try await connection.execute(.results(claims.map(\.id))).count == 5)
            }
            let plans = self.plans(recorder)
            let claiming = plans.filter { $0.contains("LockRows") }
            #expect(claiming.count == 10)
            #expect(claiming.allSatisfy { $0.contains("Index Scan using live_queue on live") })
            // What it takes, and the first that it leaves.
            let looking = plans.filter { $0.contains("Aggregate") && $0.contains("using live_queue on live") }
            #expect(looking.count == 20)
            let granting = plans.filter { $0.contains("Update on live") && $0.contains("Tid Scan") }
            #expect(granting.count == 10)
            #expect(granting.allSatisfy { $0.contains(/Index Scan using received_\w+_pkey on received_/) })
            let ending = plans.filter { $0.contains("Delete on live") }
            #expect(ending.count == 10)
            #expect(ending.allSatisfy { $0.contains("Index Scan using live_has_an_event_once on live") })
            let telling = plans.filter { $0.contains(/Index Scan using outcome_\w+_pkey on outcome_/) }
            // What it tells the ingress, and what that reads.
            #expect(telling.count == 20)
            #expect(plans.count >= 50)
            self.check(plans)
            // Whether a node is known: there may be many.
            let knowing = recorder.entries.map { $0.text("postgres.message") }
                .filter { $0.contains("plan:") && $0.contains("Function Scan on unnest called") }
            #expect(knowing.count == 10)
            #expect(knowing.allSatisfy { $0.contains("Index Scan using node_pkey on node") }, "\(knowing.first ?? "")")
        }
    }

    @Test("the catch-all, abandon, release, retry, pass_on and recover use the indexes too", arguments: [false, true])
    func others(isNew: Bool) async throws {
        try await self.withQueue(isNew: isNew) { connection, recorder, worker in
            let claims = try await connection.claim(worker, .sample(nil), count: 5)
            try await connection.answer(worker, [(claims[0], .retry(code: "again", error: ""))])
            try await connection.execute(.abandon([(claims[1].id, .hungUp)]))
            _ = try await connection.release(worker, [claims[2]])
            let lane = try #require(
                try await connection.query("select id::text from rejoinder.lane").first?.first ?? nil
            )
            try await connection.execute(.passOn(lane: try #require(Int32(lane)), after: 0))
            try await connection.run(
                script: "update rejoinder.live set deadline = clock_timestamp() where id = '\(claims[2].id)'",
                timeout: .seconds(5)
            )
            let before = self.plans(recorder).count
            #expect(try await connection.recover() == [0, 0, 1])
            #expect(self.plans(recorder).count > before)
            let plans = self.plans(recorder).filter { !$0.contains("update rejoinder.live set deadline") }
            #expect(plans.count >= 8)
            self.check(plans)
        }
    }

    @Test("claims of a node with a limit, a pause and its end use the indexes too", arguments: [false, true])
    func steered(isNew: Bool) async throws {
        try await self.withQueue(isNew: isNew) { connection, recorder, worker in
            let queue = Operator(connection, actor: "a", via: "test")
            try await queue.limit("node", running: 20, perSecond: 1000)
            #expect(try await connection.claim(worker, count: 5).isEmpty == false)
            try await queue.pause("node", waits: true)
            #expect(try await connection.claim(worker, count: 5).isEmpty)
            try await queue.resume("node")
            try await queue.pause("node")
            let plans = self.plans(recorder)
            #expect(plans.count >= 8)
            self.check(plans)
        }
    }

    @Test("no search by time has clock_timestamp() for its bound, which no index can use")
    func bounds() async throws {
        try await TestCluster.withDatabase { database in
            let rows = try await database.query(
                """
                select prosrc from pg_proc where pronamespace = 'rejoinder'::regnamespace
                union all select definition from pg_views where schemaname = 'rejoinder'
                """
            )
            let texts = rows.compactMap(\.first).compactMap(\.self) + Statements.all.map(\.sql)
            #expect(texts.count > 100)
            for text in texts { #expect(!text.contains(/[<>]=? *(rejoinder\.)?id_at\(+clock_timestamp/), "\(text)") }
        }
    }

    @Test("housekeeping uses the indexes too", arguments: [false, true])
    func tidy(isNew: Bool) async throws {
        try await self.withQueue(isNew: isNew) { connection, recorder, worker in
            try await connection.execute(PostgresCall(Statements.tidy))
            let tidying = self.plans(recorder)
            #expect(tidying.contains { $0.contains(/Index Scan Backward using outcome_\w+_pkey on outcome_/) })
            self.check(tidying)
        }
    }

    @Test("the vital figures are counted from where the live events begin", arguments: [false, true])
    func vitals(isNew: Bool) async throws {
        try await self.withQueue(isNew: isNew) { connection, recorder, _ in
            try await connection.execute(PostgresCall(Statements.vitals))
            let counting = self.plans(recorder).filter { $0.contains("Aggregate") }
            #expect(counting.count == 1)
            #expect(counting.allSatisfy { $0.contains(/Index Cond: \(\(node = .+\) AND \(place >=/) })
            self.check(counting)
        }
    }

    @Test("what is held, rarely asked, is found among the live events alone")
    func held() async throws {
        try await self.withQueue { connection, recorder, worker async throws in
            #expect(try await connection.claim(worker, count: 5).count == 5)
            let before = self.plans(recorder).count
            #expect(try await connection.execute(.held(worker: worker)).count == 5)
            let plans = self.plans(recorder).dropFirst(before)
            #expect(plans.count == 1)
            #expect(plans.allSatisfy { $0.contains(" on live") && !$0.contains(/on (received|outcome)/) })
        }
    }
}
