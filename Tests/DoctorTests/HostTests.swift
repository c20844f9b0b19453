import Doctor
import LocalPostgres
import PostgresClient
import TestSupport
import Testing

@Suite("Each host is looked at alone", .timeLimit(.minutes(10)))
struct HostTests {
    @Test("libpq's ways of naming several hosts are read, and what belongs to all of them is kept")
    func reading() throws {
        func hosts(_ text: String) throws -> [PostgresHost] {
            try PostgresConfiguration(connectionString: text, applicationName: "t").hosts()
        }
        #expect(try hosts("postgres://u:p@a:1,b:2,[::1]:3/d?sslmode=require").map(\.name) == ["a:1", "b:2", "::1:3"])
        #expect(try hosts("host=a,b port=7 dbname=d").map(\.name) == ["a:7", "b:7"])
        #expect(try hosts("postgres:///d?host=/tmp/x&port=9").map(\.name) == ["/tmp/x:9"])
        let one = try #require(
            try hosts("host=a,b port=1,2 password='it\\'s' dbname=d target_session_attrs=standby").last
        )
        #expect(one.configuration.connectionString?.contains("host='b' password=") == true)
        #expect(one.configuration.connectionString?.contains("target_session_attrs='any'") == true)
        #expect(throws: PostgresError.self) { try hosts("host='a") }
        // What a service says of them is known to libpq alone.
        let service = try #require(try hosts("service=prod dbname=d").first?.configuration.connectionString)
        #expect(service.contains("service='prod'") && !service.contains("host") && !service.contains("port"))
    }

    @Test("how a connection goes to its server is read from it, and on this host it needs no encryption")
    func transport() async throws {
        try await TestCluster.withCluster { cluster, database in
            let tcp = TestDatabase(url: try cluster.connectionString(over: .tcp) + "?sslmode=allow")
            let ways = [(database, nil, "prefer"), (tcp, "127.0.0.1", "allow")] as [(TestDatabase, String?, String)]
            for (database, address, sslMode) in ways {
                let connection = try await database.connect()
                let transport = await connection.transport
                #expect(transport == PostgresTransport(address: address, encryption: .absent, sslMode: sslMode))
                await connection.close()
                #expect(try await database.finding("encryption").verdict == .ok)
            }
        }
    }

    @Test("a mistyped host in a list is a warning as long as a primary is there, and named")
    func mistyped() async throws {
        try await TestCluster.withCluster { cluster, _ in
            let port = try #require(Self.port(of: try cluster.connectionString(over: .tcp)))
            let url = try cluster.connectionString(over: .tcp).replacing(
                "@127.0.0.1:\(port)/",
                with: "@db.invalid:5432,127.0.0.1:1,127.0.0.1:\(port)/"
            )
            let database = TestDatabase(url: url)
            let findings = await database.findings("hosts")
            #expect(findings.map(\.verdict) == [.warning, .warning, .ok])
            #expect(findings[0].summary.hasPrefix("db.invalid:5432 can't be reached: "))
            #expect(findings[1].summary.hasPrefix("127.0.0.1:1 can't be reached: Connection refused"))
            #expect(findings[2].summary.hasPrefix("127.0.0.1:\(port) is the primary, PostgreSQL "))
            #expect(findings[0].remedy?.hasPrefix("pg_isready --host=db.invalid --port=5432") == true)

            // In a log no host is named.
            let logged = await Examination(database.configuration, logger: .quiet).findings(quickly: true)
            #expect(logged.filter { $0.check == "hosts" }.map(\.summary)[0].hasPrefix("host 1 can't be reached"))
            #expect(
                !logged.contains { $0.summary.contains("db.invalid") || $0.remedy?.contains("db.invalid") ?? false }
            )
        }
    }

    @Test("with no host that takes writes the queue is broken, and what asks the database is skipped")
    func nobody() async throws {
        let database = TestDatabase(url: "postgres://u@127.0.0.1:1/d")
        let all = await Examination(database.configuration, showsAddress: true, logger: .quiet).findings(quickly: false)
        #expect(all.first?.verdict == .broken)
        #expect(all.dropFirst().allSatisfy { $0.verdict == .skipped })
        #expect(all.exitCode == 2)
    }

    @Test("what keeps a connection from being made though its host can be reached is broken, and the rest is looked at")
    func refusal() async throws {
        try await TestCluster.withDatabase { database in
            let other = TestDatabase(url: "\(database.url)&target_session_attrs=standby")
            let all = await Examination(other.configuration, showsAddress: true, logger: .quiet)
                .findings(quickly: false)
            let hosts = all.filter { $0.check == "hosts" }
            #expect(hosts.map(\.verdict) == [.ok, .broken])
            #expect(hosts.last?.summary.hasSuffix("server is not in hot standby mode") == true)
            #expect(all.filter { $0.check == "schema" }.map(\.verdict) == [.ok])
            #expect(all.exitCode == 2)

            // In a log no host is named.
            let logged = await Examination(other.configuration, logger: .quiet).findings(quickly: true)
            let refusal = try #require(logged.last { $0.check == "hosts" })
            #expect(refusal.verdict == .broken)
            #expect(!refusal.summary.contains("connection to server"))
        }
    }

    @Test("a standby is told from the primary; when it stops and is asked for, answers wait")
    func standby() async throws {
        try await TestCluster.withCluster { cluster, database in
            let directory = "/tmp/rejoinder-tests-\(UInt32.random(in: 0...UInt32.max))"
            let standby = try await cluster.addStandby(directory: directory, exitAction: .stopAndRemove)
            let findings = await TestDatabase(url: try standby.connectionString()).findings("hosts")
            #expect(findings.map(\.verdict) == [.broken])
            #expect(findings[0].summary.contains("is a standby"))

            try await database.query("alter system set synchronous_standby_names = '*'")
            try await database.query("select pg_reload_conf()::text")
            try await eventually("the standby is synchronous") {
                try await database.query("select sync_state from pg_stat_replication") == [["sync"]]
            }
            #expect(try await database.finding("synchronous standbys").verdict == .ok)
            try await standby.remove()
            try await eventually("the standby is gone") {
                try await database.query("select sync_state from pg_stat_replication") == []
            }
            let gone = try await database.finding("synchronous standbys")
            #expect(gone.verdict == .broken)
            #expect(gone.summary == "synchronous_standby_names asks for 1, 0 is there: each answer waits for 8 s")
            try await database.query("alter system reset synchronous_standby_names")
            try await database.query("select pg_reload_conf()::text")
        }
    }

    private static func port(of url: String) -> Int? {
        url.firstRange(of: "127.0.0.1:").flatMap { Int(url[$0.upperBound...].prefix { $0.isNumber }) }
    }
}
