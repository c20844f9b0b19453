import Logging
import TestSupport
import Testing

@testable import PostgresClient

@Suite("A connector keeps trying, and says so once", .timeLimit(.minutes(10)))
struct ConnectorTests {
    @Test("many tries are one line in the log, and the return another")
    func oneLine() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let recorder = LogRecorder()
            let connector = PostgresConnector(database.configuration, logger: recorder.logger)
            let name = try #require(try await database.query("select current_database()::text").first?.first ?? nil)
            let elsewhere = TestDatabase(url: database.url.replacing("/\(name)", with: "/postgres"))

            #expect(connector.awaySince == nil)
            try await elsewhere.query("alter database \(name) allow_connections false")
            for _ in 0..<5 {
                let error = try await #require(throws: PostgresError.self) { try await connector.connect() }
                #expect(error.code == .connectionFailed)
            }
            #expect(connector.awaySince != nil)
            #expect(recorder.entries.map(\.level) == [.error])
            #expect(!"\(recorder.entries[0].metadata)".contains("\n"))

            try await elsewhere.query("alter database \(name) allow_connections true")
            let connection = try #require(await connector.connectPersistently())
            #expect(connector.awaySince == nil)
            #expect(recorder.entries.map(\.level) == [.error, .info])
            await connection.close()
        }
    }

    @Test("it keeps trying until the database is there")
    func persistence() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let recorder = LogRecorder()
            let connector = PostgresConnector(database.configuration, logger: recorder.logger)
            let name = try #require(try await database.query("select current_database()::text").first?.first ?? nil)
            let elsewhere = TestDatabase(url: database.url.replacing("/\(name)", with: "/postgres"))
            try await elsewhere.query("alter database \(name) allow_connections false")

            async let connection = connector.connectPersistently()
            try await eventually("the first try has failed") { connector.awaySince != nil }
            try await elsewhere.query("alter database \(name) allow_connections true")
            #expect(await connection?.isOpen == true)
            #expect(recorder.entries.count == 2)
        }
    }

    @Test("it counts the connections that were lost, not those that were closed")
    func lost() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connector = PostgresConnector(database.configuration, logger: .silent)
            let closed = try await connector.connect()
            let terminated = try await connector.connect()
            await closed.close()
            #expect(connector.takeLost() == 0)
            let backend = try #require(try await terminated.query("select pg_backend_pid()::text").first?.first ?? nil)
            try await database.terminate(backend: backend)
            await #expect(throws: PostgresError.self) { try await terminated.query("select 'x'") }
            await terminated.close()
            #expect(connector.takeLost() == 1)
            #expect(connector.takeLost() == 0)
        }
    }

    @Test("a database that refuses what it is asked to do is away, until something has worked")
    func refusal() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let recorder = LogRecorder()
            let connector = PostgresConnector(database.configuration, logger: recorder.logger)
            let full = PostgresError(.server, "could not extend file", sqlState: "53100")
            #expect(!connector.failed(PostgresError(.server, "duplicate key", sqlState: "23505")))
            #expect(!connector.failed(PostgresError(.connectionLost, "gone")))
            // A statement that was prepared before a migration: a new connection is all that it needs.
            #expect(!connector.failed(PostgresError(.server, "cached plan must not change", sqlState: "0A000")))
            #expect(connector.awaySince == nil)
            for _ in 0..<3 { #expect(connector.failed(full)) }
            #expect(connector.refuses)
            // It takes connections, which says nothing.
            await (try await connector.connect()).close()
            #expect(connector.awaySince != nil)
            // What fails meanwhile has its line in the log.
            #expect(connector.failed(PostgresError(.connectionLost, "gone")))
            #expect(recorder.entries.map(\.level) == [.error])
            connector.worked()
            connector.worked()
            #expect(connector.awaySince == nil)
            #expect(recorder.entries.map(\.level) == [.error, .info])
        }
    }

    @Test("cancellation ends the tries")
    func cancellation() async throws {
        let configuration = PostgresConfiguration(connectionString: "host=/nonexistent", applicationName: "tests")
        let connector = PostgresConnector(configuration, logger: .silent)
        let task = Task { await connector.connectPersistently() == nil }
        try await eventually("the first try has failed") { connector.awaySince != nil }
        task.cancel()
        #expect(await task.value)
    }

    @Test("the waits between tries double up to the longest, each from its upper half")
    func backoff() {
        for _ in 0..<200 {
            var backoff = Backoff(first: .milliseconds(20), longest: .milliseconds(400))
            var upper = Duration.milliseconds(20)
            for _ in 0..<100 {
                let wait = backoff.next()
                #expect(wait >= upper / 2 && wait <= upper)
                upper = min(upper * 2, .milliseconds(400))
            }
        }
    }

    @Test("waits are spread, so that not everybody comes at once")
    func jitter() {
        let waits = (0..<50).map { _ in
            var backoff = Backoff(first: .milliseconds(400))
            return backoff.next()
        }
        #expect(Set(waits).count > 40)
    }

    @Test("the connection string overrides what is only a default, and nothing else")
    func keywords() throws {
        let keywords = PostgresConfiguration(connectionString: "host=h", applicationName: "app").keywords.map(\.0)
        let database = try #require(keywords.firstIndex(of: "dbname"))
        #expect(keywords[..<database].contains("connect_timeout"))
        #expect(keywords[..<database].contains("target_session_attrs"))
        #expect(keywords[database...] == ["dbname", "client_encoding"])
        let bare = PostgresConfiguration(connectionString: nil, applicationName: "app").keywords
        #expect(!bare.contains { $0.0 == "dbname" })
        #expect(bare.contains { $0 == ("fallback_application_name", "app") })
    }
}
