import LocalPostgres
import Logging
import TestSupport
import Testing

@testable import PostgresClient

#if canImport(Glibc)
import Glibc
#endif

#if canImport(Glibc)
/// Takes connections, and says nothing.
private final class SilentHost {
    let port: Int
    private let socket: Int32

    init() throws {
        self.socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = self.socket
        let isListening = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(socket, address, length) == 0 && listen(socket, 10) == 0
                    && getsockname(socket, address, &length) == 0
            }
        }
        try #require(isListening)
        self.port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(self.socket) }

    /// How many connections it has got since it was last asked.
    func knocks() -> Int {
        var count = 0
        while case let connection = accept(self.socket, nil, nil), connection >= 0 {
            close(connection)
            count += 1
        }
        return count
    }
}
#endif

@Suite("A connector keeps trying, and says so once", .timeLimit(.minutes(10)))
struct ConnectorTests {
    #if canImport(Glibc)
    @Test("a time to connect that is none would be waited for without end, so that ours rules", arguments: ["0", "-1"])
    func endlessPatience(given: String) async throws {
        let silent = try SilentHost()
        var configuration = PostgresConfiguration(
            connectionString: "host=127.0.0.1 port=\(silent.port) connect_timeout=\(given)",
            applicationName: "tests"
        )
        configuration.connectTimeout = .seconds(2)
        let error = await #expect(throws: PostgresError.self) {
            try await PostgresConnection.connect(configuration, logger: .silent)
        }
        #expect(error?.code == .connectionFailed)
        #expect(silent.knocks() > 0)
    }
    #endif

    @Test("many tries are one line in the log, and the return another")
    func oneLine() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let recorder = LogRecorder()
            let connector = PostgresConnector(database.configuration, logger: recorder.logger)
            let name = try #require(try await database.query("select current_database()::text").first?.first ?? nil)
            let elsewhere = TestDatabase(url: database.url.replacing("/\(name)", with: "/postgres"))

            #expect(connector.awaySince == nil)
            try await elsewhere.query("alter database \(name) allow_connections false")
            async let persistent = connector.connectPersistently()
            try await eventually("the first try has failed") { connector.awaySince != nil }
            let start = ContinuousClock.now
            repeat {
                let error = try await #require(throws: PostgresError.self) { try await connector.connect() }
                #expect(error.code == .connectionFailed)
            } while .now - start < .seconds(1.5)
            #expect(connector.awaySince != nil)
            #expect(recorder.entries.map(\.level) == [.error])
            #expect(!"\(recorder.entries[0].metadata)".contains("\n"))

            try await elsewhere.query("alter database \(name) allow_connections true")
            let connection = try #require(await persistent)
            #expect(connector.awaySince == nil)
            #expect(recorder.entries.map(\.level) == [.error, .info])
            await connection.close()
        }
    }

    @Test(
        "that no other connection can be made besides one that works has a line in the log, and is no database that is away"
    )
    func oneMore() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let recorder = LogRecorder()
            let connector = PostgresConnector(database.configuration, logger: recorder.logger)
            let name = try #require(try await database.query("select current_database()::text").first?.first ?? nil)
            let elsewhere = TestDatabase(url: database.url.replacing("/\(name)", with: "/postgres"))
            let connection = try #require(await connector.connectPersistently())
            try await elsewhere.query("alter database \(name) allow_connections false")
            try await eventually("it lasts") {
                _ = try await #require(throws: PostgresError.self) { try await connector.connect() }
                return !recorder.entries.isEmpty
            }
            _ = try await #require(throws: PostgresError.self) { try await connector.connect() }
            #expect(connector.awaySince == nil)
            #expect(recorder.entries.map(\.message) == ["can't make another connection, trying again"])
            #expect(connection.isOpen)
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

    @Test("of several hosts that which took the latest connection is tried first, the others stay")
    func order() throws {
        func order(_ text: String, _ name: String, _ port: String) throws -> [String] {
            let configuration = PostgresConfiguration(connectionString: text, applicationName: "t")
            let ordered = configuration.trying(first: (name, port))
            let hosts = try ordered.hosts()
            #expect(hosts.allSatisfy { $0.configuration.connectionString?.contains("dbname='d'") ?? false })
            return hosts.map(\.name)
        }
        #expect(try order("postgres://u:p@a:1,b:2,c:3/d", "b", "2") == ["b:2", "a:1", "c:3"])
        #expect(try order("postgres://u:p@a:1,a:2/d", "a", "2") == ["a:2", "a:1"])
        #expect(try order("host=a,b port=7 dbname=d", "b", "7") == ["b:7", "a:7"])
        #expect(try order("host=a,b dbname=d", "b", "5432") == ["b:5432", "a:5432"])
        let addresses = "hostaddr=10.0.0.1,10.0.0.2 port=1,2 dbname=d"
        #expect(try order(addresses, "10.0.0.2", "2") == ["10.0.0.2:2", "10.0.0.1:1"])
        for unchanged in ["postgres://u:p@a:1,b:2/d", "postgres://u:p@a:1/d"] {
            let configuration = PostgresConfiguration(connectionString: unchanged, applicationName: "t")
            for (name, port) in [("a", "1"), ("x", "1"), ("b", "1")] {
                #expect(configuration.trying(first: (name, port)).connectionString == unchanged)
            }
        }
    }

    #if canImport(Glibc)
    @Test("a host that says nothing costs the first connection its patience, and no other")
    func silentHost() async throws {
        try await TestCluster.withCluster { cluster, _ in
            let silent = try SilentHost()
            let url = try cluster.connectionString(over: .tcp).replacing("@", with: "@127.0.0.1:\(silent.port),")
            var configuration = PostgresConfiguration(connectionString: url, applicationName: "tests")
            configuration.connectTimeout = .seconds(2)
            let connector = PostgresConnector(configuration, logger: .silent)
            for _ in 0..<5 {
                let connection = try await connector.connect()
                #expect(try await connection.query("select 'x'") == [["x"]])
                await connection.close()
            }
            #expect(silent.knocks() == 1)
        }
    }
    #endif

    @Test("the server, too, looks whether its client is still there")
    func keepAlives() async throws {
        try await TestCluster.withCluster { cluster, _ in
            let url = try cluster.connectionString(over: .tcp)
            let configuration = PostgresConfiguration(connectionString: url, applicationName: "tests")
            let connection = try await PostgresConnector(configuration, logger: .silent).connect()
            let names = ["keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout"]
            let columns = names.map { "current_setting('tcp_\($0)')" }.joined(separator: ", ")
            #expect(try await connection.query("select \(columns)") == [["5", "2", "3", "10000"]])
            await connection.close()
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

    @Test("a database that refuses what it is asked to do is away, until such work is done")
    func refusal() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let recorder = LogRecorder()
            let connector = PostgresConnector(database.configuration, logger: recorder.logger)
            let (reading, writing) = (PostgresConnector.Work("reading"), PostgresConnector.Work("writing"))
            let full = PostgresError(.server, "could not extend file", sqlState: "53100")
            #expect(!connector.failed(PostgresError(.server, "duplicate key", sqlState: "23505"), at: writing))
            #expect(!connector.failed(PostgresError(.connectionLost, "gone"), at: writing))
            // A statement that was prepared before a migration: a new connection is all that it needs.
            #expect(
                !connector.failed(PostgresError(.server, "cached plan must not change", sqlState: "0A000"), at: writing)
            )
            #expect(connector.awaySince == nil)
            for _ in 0..<3 { #expect(connector.failed(full, at: writing)) }
            #expect(connector.refuses)
            // It takes connections, which says nothing.
            await (try await connector.connect()).close()
            #expect(connector.awaySince != nil)
            // What fails meanwhile has its line in the log.
            #expect(connector.failed(PostgresError(.connectionLost, "gone"), at: writing))
            #expect(recorder.entries.map(\.level) == [.error])
            // Nor does other work that is done; what else it refuses must be done as well.
            connector.worked(reading)
            connector.refused(reading, PostgresError(.server, "no such function", sqlState: "42883"))
            connector.worked(writing)
            #expect(!connector.refuses(writing))
            #expect(connector.refuses(reading))
            #expect(connector.awaySince != nil)
            connector.worked(reading)
            connector.worked(reading)
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
