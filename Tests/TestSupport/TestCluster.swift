import EventQueue
package import LocalPostgres
import Logging
package import PostgresClient
import Synchronization

/// The private PostgreSQL of the test run: started by the first test that needs it, gone with the process.
package enum TestCluster {
    private static let template = "rejoinder_template"
    private static let counter = Atomic(0)

    private struct Running {
        let cluster: LocalPostgres
        /// Makes the tests' databases; by SQL, which is several times faster than `createdb`.
        let administrators: PostgresPool
    }

    /// Resolved once; every test awaits the same start.
    private static let shared = Task<Running, any Error> {
        let cluster = LocalPostgres(
            directory: "/tmp/rejoinder-tests-\(UInt32.random(in: 0...UInt32.max))",
            // The data needn't survive the machine, only the server: crash tests kill processes.
            settings: ["fsync": "off", "max_connections": "500", "log_min_messages": "warning"],
            exitAction: .stopAndRemove
        )
        try await cluster.start()
        try await cluster.createDatabase(template)
        let connection = try await connect(try cluster.connectionString(database: template))
        // As it is from PostgreSQL 15 on.
        try await connection.query("revoke create on schema public from public")
        try await Schema(connection).migrate()
        await connection.close()
        var configuration = PostgresConfiguration(
            connectionString: try cluster.connectionString(),
            applicationName: "rejoinder-tests-administrator"
        )
        configuration.statementTimeout = .seconds(60)
        let connector = PostgresConnector(
            configuration,
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        )
        return Running(cluster: cluster, administrators: PostgresPool(connector, size: 4))
    }

    /// Runs `body` with a database of its own, migrated unless told otherwise.
    package static func withDatabase(
        migrated: Bool = true,
        _ body: (TestDatabase) async throws -> Void
    ) async throws {
        let running = try await self.shared.value
        let name = "test_\(self.counter.add(1, ordering: .relaxed).newValue)"
        _ = try await running.administrators.withConnection { connection throws(PostgresError) in
            try await connection.query("create database \(name) template \(migrated ? self.template : "template1")")
        }
        try await body(TestDatabase(url: try running.cluster.connectionString(database: name)))
    }

    /// Runs `body` with a cluster of its own, for tests that stop or kill the server.
    package static func withCluster(
        settings: [String: String] = ["fsync": "off"],
        _ body: (LocalPostgres, TestDatabase) async throws -> Void
    ) async throws {
        let cluster = LocalPostgres(
            directory: "/tmp/rejoinder-tests-\(UInt32.random(in: 0...UInt32.max))",
            settings: settings,
            exitAction: .stopAndRemove
        )
        try await cluster.start()
        let database = TestDatabase(url: try cluster.connectionString())
        let connection = try await database.connect()
        try await Schema(connection).migrate()
        await connection.close()
        do {
            try await body(cluster, database)
        } catch {
            try await cluster.remove()
            throw error
        }
        try await cluster.remove()
    }

    fileprivate static func connect(_ url: String) async throws(PostgresError) -> PostgresConnection {
        try await PostgresConnection.connect(
            PostgresConfiguration(connectionString: url, applicationName: "rejoinder-tests"),
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        )
    }
}

/// One test's database.
package struct TestDatabase: Sendable {
    /// As `DATABASE_URL` takes it.
    package let url: String
    /// As `REJOINDER_LISTEN_URL` takes it, where `url` is a pooler's.
    package let directURL: String?

    package init(url: String, directURL: String? = nil) {
        self.url = url
        self.directURL = directURL
    }

    package var configuration: PostgresConfiguration { self.configuration(as: "rejoinder-tests") }

    package func configuration(as application: String) -> PostgresConfiguration {
        PostgresConfiguration(
            connectionString: self.url,
            directConnectionString: self.directURL,
            applicationName: application
        )
    }

    package func connect() async throws(PostgresError) -> PostgresConnection {
        try await TestCluster.connect(self.directURL ?? self.url)
    }

    /// The same database for a login that is a member of these roles alone, and of none by default.
    package func asMember(of roles: String...) async throws -> TestDatabase {
        let login = (["member"] + roles).joined(separator: "_")
        let grants = roles.map { "grant \($0) to \(login);" }.joined(separator: " ")
        // Logins are the whole cluster's: another test may be making this one.
        let script = """
            do $$ begin
                create role \(login) login; \(grants)
            exception when duplicate_object or unique_violation then null;
            end $$
            """
        let connection = try await self.connect()
        try await connection.run(script: script, timeout: .seconds(10))
        await connection.close()
        return TestDatabase(url: self.url.replacing("://postgres@", with: "://\(login)@"))
    }

    /// Runs one statement on a connection of its own, every column read as text.
    @discardableResult
    package func query(_ sql: String) async throws -> [[String?]] {
        let connection = try await self.connect()
        defer { Task { await connection.close() } }
        return try await connection.query(sql)
    }

    /// Ends a backend, and returns when it is gone: PostgreSQL itself waits for that from 14 on only.
    package func terminate(backend: String) async throws {
        try await self.query("select pg_terminate_backend(\(backend))::text")
        try await eventually("the backend is gone") {
            try await self.query("select pid::text from pg_stat_activity where pid = \(backend)") == []
        }
    }
}

extension PostgresConnection {
    /// Runs one statement; its columns must be text.
    @discardableResult
    package func query(_ sql: String) throws(PostgresError) -> [[String?]] {
        let rows = try self.execute(
            PostgresCall(PostgresStatement(name: "test \(sql.hashValue)", sql: sql))
        )
        return (0..<rows.count).map { row in (0..<rows.columns).map { rows.optionalString(row, $0) } }
    }
}
