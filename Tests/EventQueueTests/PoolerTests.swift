import Logging
import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("By way of a transaction pooler", .timeLimit(.minutes(10)))
struct PoolerTests {
    @Test("the queue does all that it does without: what needs a session goes to PostgreSQL itself")
    func path() async throws {
        try await TestCluster.withDatabase { database in
            try await PgBouncer.with(.transaction, database) { pooled in
                try await Rig.run(in: pooled) { rig in
                    try await rig.withWorker { worker in
                        let events = (0..<200).map { NewEvent.sample(text: "\($0)") }
                        #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                        #expect(worker.recorder.complaints == [])
                    }
                    // Asked for by way of the pooler.
                    #expect(await rig.outcome(of: .sample()) == .unserved)
                    #expect(rig.recorder.complaints == [])
                }
                let processes = try await database.query(
                    "select role, (stopped_at is not null)::text from rejoinder.process order by role"
                )
                #expect(processes == [["ingress", "true"], ["worker", "true"]])
            }
        }
    }

    @Test("a worker whose connections break is found out by way of the pooler, and its events run again")
    func recovery() async throws {
        try await TestCluster.withDatabase { database in
            try await PgBouncer.with(.transaction, database) { pooled in
                try await Rig.run(in: pooled) { rig in
                    let lost = RunningWorker(pooled) { _ in
                        try? await Task.sleep(for: .seconds(60))
                        return nil
                    }
                    try await eventually("the worker is ready") { lost.queue.isReady }
                    let event = NewEvent.sample()
                    let waiting = Task { await rig.outcome(of: event) }
                    try await eventually("it runs") { try await rig.state(of: event.id) == "running" }
                    await lost.abort()
                    try await rig.withWorker { _ in #expect(await waiting.value.text == event.text) }
                }
            }
        }
    }

    @Test("what goes by way of it leaves nothing behind in the sessions: no statement, no setting, no lock")
    func traces() async throws {
        try await TestCluster.withDatabase { database in
            try await PgBouncer.with(.transaction, database, sessions: 1) { pooled in
                let connector = PostgresConnector(pooled.configuration.sessionless, logger: .silent)
                let before = try await connector.connect()
                let timeout = try await before.query("show statement_timeout")
                for _ in 0..<2 {
                    let connection = try await connector.connect()
                    let results = try await connection.pipeline([
                        .sql("select count(*)::text from pg_prepared_statements"),
                        .sql(
                            "select count(*)::text from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
                        ),
                        .sql("select no_such_column"),
                        .sql("select $1::text") { $0.append("é") },
                        .sql("show statement_timeout"),
                    ])
                    #expect(try results[0].get().string(0, 0) == "0")
                    #expect(try results[1].get().string(0, 0) == "0")
                    #expect(throws: PostgresError.self) { try results[2].get() }
                    #expect(try results[3].get().string(0, 0) == "é")
                    #expect(try results[4].get().string(0, 0) == timeout[0][0])
                }
                #expect(timeout == [["0"]])
            }
        }
    }

    @Test("without the direct address all is polled for, and no lock is left with the pooler's sessions")
    func polling() async throws {
        try await TestCluster.withDatabase { database in
            try await PgBouncer.with(.transaction, database, sessions: 20) { pooled in
                let address = TestDatabase(url: pooled.url)
                try await Rig.run(in: address) { rig async throws in
                    try await rig.withWorker { worker in
                        let events = (0..<200).map { NewEvent.sample(text: "\($0)") }
                        #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                        #expect("\(worker.recorder.complaints)".contains("set REJOINDER_LISTEN_URL"))
                    }
                    #expect("\(rig.recorder.complaints)".contains("set REJOINDER_LISTEN_URL"))

                    // Nobody holds a lock for it: a worker that is gone is found out by its silence.
                    let lost = RunningWorker(address) { _ in
                        try? await Task.sleep(for: .seconds(60))
                        return nil
                    }
                    try await eventually("the worker is ready") { lost.queue.isReady }
                    let event = NewEvent.sample()
                    let waiting = Task { await rig.outcome(of: event) }
                    try await eventually("it runs") {
                        try await database.query("select 'x' from rejoinder.queue where state = 'running'") == [["x"]]
                    }
                    let locks = try await database.query(
                        """
                        select classid::text from pg_locks join pg_database on pg_database.oid = pg_locks.database
                         where locktype = 'advisory' and mode = 'ExclusiveLock' and datname = current_database()
                        """
                    )
                    #expect(locks == [])
                    await lost.abort()
                    try await rig.withWorker { _ in
                        let outcome = await waiting.value
                        #expect(outcome.text == event.text, "\(outcome)")
                    }
                }
            }
        }
    }

    @Test("PostgreSQL itself, and a pooler that keeps a session for each client, are as good as ever")
    func sessions() async throws {
        try await TestCluster.withDatabase { database in
            try await PostgresConnection.requireSession(database.configuration, logger: .silent)
            try await PgBouncer.with(.session, database, sessions: 20) { pooled in
                let address = TestDatabase(url: pooled.url)
                try await PostgresConnection.requireSession(address.configuration, logger: .silent)
                try await Rig.run(in: address) { rig in
                    try await rig.withWorker { _ in
                        let event = NewEvent.sample()
                        #expect(await rig.outcome(of: event).text == event.text)
                    }
                    #expect(rig.recorder.complaints == [])
                }
            }
        }
    }
}
