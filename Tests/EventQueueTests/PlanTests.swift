import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("The hot functions ride on their indexes, whatever the statistics", .timeLimit(.minutes(3)))
struct PlanTests {
    /// A database whose queue holds many finished events and a few live ones, and was never analysed.
    private func withLongTable(
        _ body: (PostgresConnection, LogRecorder, _ worker: Int32) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            let setup = try await database.connect()
            try await setup.run(
                script: """
                    do $$ declare part regclass; begin
                        for part in select inhrelid::regclass from pg_inherits where inhparent = 'rejoinder.event'::regclass loop
                            execute format('alter table %s set (autovacuum_enabled = off)', part);
                        end loop;
                    end $$;
                    insert into rejoinder.event (id, state, node, endpoint, deadline, finished_at, payload, answer)
                    select (left(rejoinder.id_at(clock_timestamp())::text, 24) || lpad(to_hex(n), 12, '0'))::uuid,
                           'answered', 'node', '/', clock_timestamp(), clock_timestamp(), '1', '2'
                      from generate_series(1, 20000) as n
                    """,
                timeout: .seconds(30)
            )
            let recorder = LogRecorder()
            let connection = try await PostgresConnection.connect(database.configuration, logger: recorder.logger)
            let worker = try await connection.register(.worker, [.sample()])
            try await connection.enqueue((0..<50).map { _ in .sample() }, ingress: 0)
            try await connection.run(
                script: """
                    load 'auto_explain';
                    set auto_explain.log_min_duration = 0;
                    set auto_explain.log_nested_statements = on;
                    set client_min_messages = log
                    """,
                timeout: .seconds(5)
            )
            try await body(connection, recorder, worker.process)
        }
    }

    /// The plans of the statements that touch the table of events, as auto_explain sent them.
    private func plans(_ recorder: LogRecorder) -> [String] {
        recorder.entries.map { $0.text("postgres.message") }
            .filter { $0.contains("plan:") && $0.contains("on event_") }
    }

    @Test("claims and answers use the indexes from the first call to the tenth")
    func claimAndAnswer() async throws {
        try await self.withLongTable { connection, recorder, worker in
            for _ in 0..<10 {
                let claims = try await connection.claim(worker, count: 5)
                #expect(claims.count == 5)
                #expect(
                    try await connection.answer(worker, claims.map { ($0, .answered([UInt8(ascii: "1")])) }).count == 5
                )
            }
            let plans = self.plans(recorder)
            let claiming = plans.filter { $0.contains("LockRows") }
            #expect(claiming.count == 10)
            #expect(claiming.allSatisfy { $0.contains(/Index Scan using event_\w+_node_place_idx/) })
            #expect(plans.count >= 20)
            for plan in plans {
                #expect(!plan.contains(/Seq Scan on event_/), "\(plan)")
                // Compiling takes longer than any of these statements should.
                #expect(!plan.contains("JIT:"), "\(plan)")
            }
        }
    }

    @Test("the catch-all, results, held, abandon, retry, pass_on and recover use the indexes too")
    func others() async throws {
        try await self.withLongTable { connection, recorder, worker in
            let claims = try await connection.claim(worker, .sample(nil), count: 5)
            try await connection.answer(worker, [(claims[0], .retry(code: "again", error: ""))])
            try await connection.execute(.results(claims.map(\.id)))
            try await connection.execute(.held(worker: worker))
            try await connection.execute(.abandon([(claims[1].id, "cancelled")]))
            _ = try await connection.release(worker, [claims[2]])
            let lane = try #require(
                try await connection.query("select id::text from rejoinder.lane").first?.first ?? nil
            )
            try await connection.execute(.passOn(lane: try #require(Int32(lane)), after: 0))
            _ = try await connection.recover()
            let plans = self.plans(recorder)
            #expect(plans.count >= 8)
            for plan in plans {
                #expect(!plan.contains(/Seq Scan on event_/), "\(plan)")
                // Compiling takes longer than any of these statements should.
                #expect(!plan.contains("JIT:"), "\(plan)")
            }
        }
    }
}
