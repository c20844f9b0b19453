import PostgresClient
import Synchronization
import TestSupport
import Testing

/// Counts who is inside, and how many were at most.
private final class Gauge: Sendable {
    private let counts = Mutex((now: 0, most: 0))

    var most: Int { self.counts.withLock { $0.most } }

    func add(_ number: Int) { self.counts.withLock { $0 = ($0.now + number, max($0.most, $0.now + number)) } }
}

@Suite("A pool lends connections", .timeLimit(.minutes(10)))
struct PoolTests {
    private func pool(_ database: TestDatabase, size: Int) -> PostgresPool {
        PostgresPool(PostgresConnector(database.configuration, logger: .silent), size: size)
    }

    private let backend = PostgresCall(PostgresStatement(name: "backend", sql: "select pg_backend_pid()::text"))

    @Test("it lends as many as its size at once, never more, and everybody gets a turn")
    func bound() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let pool = self.pool(database, size: 3)
            let lent = Gauge()
            let backends = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<60 {
                    group.addTask {
                        try await pool.withConnection { connection throws(PostgresError) in
                            lent.add(1)
                            defer { lent.add(-1) }
                            // The first are held until as many as may be lent are.
                            while lent.most < 3 { await Task.yield() }
                            return try await connection.execute(self.backend).string(0, 0)
                        }
                    }
                }
                return try await group.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(lent.most == 3)
            #expect(backends.count == 3)
            #expect(backends.values.reduce(0, +) == 60)
        }
    }

    @Test("a connection that broke is replaced")
    func replacement() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let pool = self.pool(database, size: 1)
            let first = try await pool.execute(self.backend).string(0, 0)
            #expect(try await pool.execute(self.backend).string(0, 0) == first)

            #expect(pool.idle == 1)
            try await database.terminate(backend: first)
            // It is noticed while nobody uses it.
            try await eventually("it has no connection") { pool.idle == 0 }
            #expect(try await pool.execute(self.backend).string(0, 0) != first)
        }
    }

    @Test("a user's error gives the connection back, fit for the next")
    func userError() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let pool = self.pool(database, size: 1)
            let first = try await pool.execute(self.backend).string(0, 0)
            for _ in 0..<3 {
                let error = try await #require(throws: PostgresError.self) {
                    try await pool.execute(PostgresCall(PostgresStatement(name: "bad", sql: "select 1 / 0")))
                }
                #expect(error.sqlState == "22012")
            }
            #expect(try await pool.execute(self.backend).string(0, 0) == first)
        }
    }

    @Test("where no connection can be made, each of many users is told, and none waits for ever")
    func unreachable() async throws {
        let configuration = PostgresConfiguration(connectionString: "host=/nonexistent", applicationName: "tests")
        let pool = PostgresPool(PostgresConnector(configuration, logger: .silent), size: 2)
        let codes = await withTaskGroup(of: PostgresError.Code?.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    do throws(PostgresError) {
                        try await pool.execute(self.backend)
                        return nil
                    } catch {
                        return error.code
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes == Array(repeating: .connectionFailed, count: 10))
    }

    @Test("idle connections can be closed, and are made again when they are needed")
    func closeIdle() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let pool = self.pool(database, size: 2)
            let first = try await pool.execute(self.backend).string(0, 0)
            await pool.closeIdle()
            try await eventually("the backend is gone") {
                try await database.query("select 'there' from pg_stat_activity where pid = \(first)").isEmpty
            }
            #expect(try await pool.execute(self.backend).string(0, 0) != first)
        }
    }
}
