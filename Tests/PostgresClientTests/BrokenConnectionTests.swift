import PostgresClient
import TestSupport
import Testing

@Suite("A connection that breaks says so, and never hangs", .timeLimit(.minutes(10)))
struct BrokenConnectionTests {
    private func backend(of connection: PostgresConnection) async throws -> String {
        try #require(try await connection.query("select pg_backend_pid()::text").first?.first ?? nil)
    }

    @Test("a backend that was terminated while idle fails the next call, and closes the connection")
    func idle() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            try await database.terminate(backend: try await self.backend(of: connection))
            let error = try await #require(throws: PostgresError.self) { try await connection.query("select 'x'") }
            #expect(error.isConnectionFailure)
            #expect(!error.description.contains { $0.isNewline })
            #expect(!connection.isOpen)
            let again = try await #require(throws: PostgresError.self) { try await connection.query("select 'x'") }
            #expect(again.code == .connectionLost)
            let script = try await #require(throws: PostgresError.self) {
                try await connection.run(script: "select 1", timeout: .seconds(5))
            }
            #expect(script.code == .connectionLost)
        }
    }

    @Test("a backend that is terminated in the middle of a pipeline fails all of it", arguments: [1, 3])
    func underWay(calls: Int) async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let killer = try await database.connect()
            let backend = try await self.backend(of: connection)
            let sleep = PostgresCall(PostgresStatement(name: "sleep", sql: "select pg_sleep(30)::text"))
            async let result = connection.pipeline(Array(repeating: sleep, count: calls))
            try await eventually("the statement is under way") {
                let sql = "select state from pg_stat_activity where pid = \(backend) and query like '%pg_sleep(30)%'"
                return try await killer.query(sql) == [["active"]]
            }
            try await database.terminate(backend: backend)
            do {
                _ = try await result
                Issue.record("the pipeline has results")
            } catch let error as PostgresError {
                #expect(error.isConnectionFailure)
                #expect(error.sqlState == "57P01", "\(error)")
            }
            #expect(!connection.isOpen)
        }
    }

    @Test("the server gives up a statement that takes too long, and the connection lives")
    func statementTimeout() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            var configuration = database.configuration
            configuration.statementTimeout = .milliseconds(500)
            let connection = try await PostgresConnection.connect(configuration, logger: .silent)
            let error = try await #require(throws: PostgresError.self) {
                try await connection.query("select pg_sleep(30)")
            }
            #expect(error.sqlState == "57014")
            #expect(error.isTransient)
            #expect(!error.isConnectionFailure)
            #expect(try await connection.query("select 'fine'") == [["fine"]])
        }
    }

    @Test("a server that does not answer in time is given up, and so is what it did, also where it was told no time")
    func silence() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            var configuration = database.configuration
            configuration.statementTimeout = .milliseconds(500)
            for configuration in [configuration, configuration.careful] {
                let connection = try await PostgresConnection.connect(configuration, logger: .silent)
                try await connection.run(script: "set statement_timeout = 0", timeout: .seconds(5))
                let backend = try await self.backend(of: connection)
                let error = try await #require(throws: PostgresError.self) {
                    try await connection.query("select pg_sleep(600)")
                }
                #expect(error.code == .timedOut)
                #expect(!connection.isOpen)
                try await eventually("the server's process has ended") {
                    try await database.query("select 'there' from pg_stat_activity where pid = \(backend)").isEmpty
                }
            }
        }
    }

    @Test("each statement of a pipeline has its time")
    func patience() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            var configuration = database.configuration
            configuration.statementTimeout = .seconds(1)
            for configuration in [configuration, configuration.careful] {
                let connection = try await PostgresConnection.connect(configuration, logger: .silent)
                let sleep = PostgresCall(PostgresStatement(name: "sleep", sql: "select pg_sleep(0.6)::text"))
                let results = try await connection.pipeline(Array(repeating: sleep, count: 4))
                #expect(results.count { if case .success = $0 { true } else { false } } == 4)
                #expect(connection.isOpen)
            }
        }
    }

    @Test("a closed connection refuses every call, and may be closed again")
    func closed() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            #expect(connection.isOpen)
            await connection.close()
            await connection.close()
            #expect(!connection.isOpen)
            await #expect(throws: PostgresError.self) { try await connection.query("select 'x'") }
        }
    }

    @Test("a watched connection reports its end once, and one that is closed already at once")
    func watch() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let closed = Mailbox<PostgresError>()
            let backend = try await self.backend(of: connection)
            await connection.watch(onNotification: { _ in }, onClose: { closed.send($0) })
            try await database.terminate(backend: backend)
            let end = try await closed.next()
            #expect(end.isConnectionFailure && end.sqlState == "57P01", "\(end)")
            #expect(!connection.isOpen)
            await connection.watch(
                onNotification: { _ in },
                onClose: { closed.send(PostgresError(.connectionLost, "later: \($0)")) }
            )
            #expect(try await closed.next().message.hasPrefix("later"))
        }
    }

    @Test("watched connections may be closed at the very moment at which the server hangs up")
    func closedFromBothEnds() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let killer = try await database.connect()
            for _ in 0..<30 {
                let closed = Mailbox<Void>()
                var connections: [PostgresConnection] = []
                for _ in 0..<20 {
                    let connection = try await database.connect()
                    await connection.watch(onNotification: { _ in }, onClose: { _ in closed.send(()) })
                    connections.append(connection)
                }
                async let termination = killer.query(
                    """
                    select pg_terminate_backend(pid)::text
                      from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid()
                    """
                )
                for connection in connections {
                    for _ in 0..<Int.random(in: 0..<40) { await Task.yield() }
                    await connection.close()
                }
                _ = try await termination
                for _ in connections { try await closed.next() }
            }
        }
    }
}
