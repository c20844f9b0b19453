import PostgresClient
import TestSupport
import Testing

@Suite("Errors say what happened, and quote no values", .timeLimit(.minutes(10)))
struct ErrorTests {
    @Test("a server's error carries SQLSTATE, severity, detail and hint; its description only the message")
    func fields() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            try await connection.query("create table account (name text primary key)")
            try await connection.query("insert into account values ('geheim')")
            let error = try await #require(throws: PostgresError.self) {
                try await connection.query("insert into account values ('geheim')")
            }
            #expect(error.code == .server)
            #expect(error.sqlState == "23505")
            #expect(error.severity == "ERROR")
            #expect(error.detail?.contains("geheim") == true)
            #expect(!"\(error)".contains("geheim"))
            #expect("\(error)".hasSuffix("(SQLSTATE 23505)"))
            #expect(error.debugDescription.contains("geheim"))

            let hinted = try await #require(throws: PostgresError.self) {
                try await connection.run(
                    script: "do $$ begin raise exception 'no' using hint = 'ask', detail = 'why'; end $$",
                    timeout: .seconds(5)
                )
            }
            #expect(hinted.hint == "ask")
            #expect(hinted.message == "no")
            #expect(hinted.description == "no (SQLSTATE P0001)")
            #expect(connection.isOpen)
            #expect(try await connection.query("select 'still there'") == [["still there"]])
        }
    }

    @Test("a zero byte in a text is the server's error, not a cut text")
    func zeroByte() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            var arguments = PostgresArguments()
            arguments.append("before\0after" as String?)
            let call = PostgresCall(PostgresStatement(name: "echo", sql: "select $1::text"), arguments)
            let error = try await #require(throws: PostgresError.self) { try await connection.execute(call) }
            #expect(error.sqlState == "22021")
            #expect(connection.isOpen)
        }
    }

    @Test(
        "what a new connection may cure is told apart from what it can't",
        arguments: [
            ("08006", true), ("57P01", true), ("53300", true), ("25006", true), ("26000", true), ("0A000", true),
            ("58030", true), ("XX001", false),
            ("57014", false), ("40001", false), ("23505", false), ("42P01", false), ("22P02", false),
        ]
    )
    func classes(_ sqlState: String, _ isConnectionFailure: Bool) {
        let error = PostgresError(.server, "x", sqlState: sqlState)
        #expect(error.isConnectionFailure == isConnectionFailure)
        #expect(error.isTransient == (isConnectionFailure || ["57014", "40001"].contains(sqlState)))
    }

    @Test(
        "a failure of our own is a connection's, unless the answer was merely odd",
        arguments: [
            (PostgresError.Code.connectionFailed, true), (.connectionLost, true), (.timedOut, true),
            (.unexpectedResult, false),
        ]
    )
    func ownCodes(_ code: PostgresError.Code, _ isConnectionFailure: Bool) {
        #expect(PostgresError(code, "x").isConnectionFailure == isConnectionFailure)
    }

    @Test(
        "what keeps one from connecting is one line",
        arguments: [
            ("postgres://127.0.0.1:1/nowhere", "refused"),
            ("postgres://127.0.0.1:1,127.0.0.1:2/nowhere", "refused"),
            ("host=/nonexistent/folder", "No such file"),
            ("postgres://[bad", "IPv6"),
            ("nonsense=1", "nonsense"),
            ("postgres://localhost:notaport/x", "port is no whole number"),
        ]
    )
    func oneLine(_ url: String, _ reason: String) async throws {
        let configuration = PostgresConfiguration(connectionString: url, applicationName: "tests")
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresConnection.connect(configuration, logger: .silent)
        }
        #expect(error.code == .connectionFailed)
        #expect(error.description.contains(reason))
        #expect(!error.description.contains { $0.isNewline })
    }

    @Test(
        "of a string that can't be used nothing is shown that may be a part of a password",
        arguments: [
            "postgres://u:p@hunter2@127.0.0.1:1/x", "postgres://u:p/hunter2@127.0.0.1:1/x",
            "host=h password=my hunter2", "postgres://u:p@[hunter2/x", "host='a hunter2' port=1",
            "postgres://u:hunter2@a,b:1,2,3/x",
            "host=a,b port=1,2,3 password=hunter2", "host=a,b hostaddr=127.0.0.1 password=hunter2",
        ]
    )
    func password(_ url: String) async throws {
        let configuration = PostgresConfiguration(connectionString: url, applicationName: "tests")
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresConnection.connect(configuration, logger: .silent)
        }
        #expect(error.code == .connectionFailed)
        #expect(!error.debugDescription.contains("hunter2"), "\(error)")
    }

    @Test(
        "sockets, names and addresses of all kinds are hosts",
        arguments: [
            "host=/tmp/a@b", "host=@abstract", "postgres://[::1]:1/x", "host=fe80::1%eth0", "host=a hostaddr=10.0.0.2",
            "host=a,b port=1", "host=a,b port=1,2", "postgres://a:1,b:2/x", "port=5433", "host=a,,b port=1,2,3",
            "host=bücher.example", "port=5432,5433", "service=two port=1,2",
        ]
    )
    func hosts(_ text: String) throws {
        let configuration = PostgresConfiguration(connectionString: text, applicationName: "tests")
        #expect(throws: Never.self) { try configuration.hosts() }
    }

    @Test("a missing database is refused with its name, in one line")
    func missingDatabase() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let url = database.url.replacing(/\/test_\d+/, with: "/absent")
            let configuration = PostgresConfiguration(connectionString: url, applicationName: "tests")
            let error = try await #require(throws: PostgresError.self) {
                try await PostgresConnection.connect(configuration, logger: .silent)
            }
            #expect(error.code == .connectionFailed)
            #expect(error.description.contains(#"database "absent" does not exist"#))
            #expect(!error.description.contains { $0.isNewline })
        }
    }

    @Test("notices reach the log: warnings as warnings, the rest at debug")
    func notices() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let recorder = LogRecorder()
            let connection = try await PostgresConnection.connect(database.configuration, logger: recorder.logger)
            try await connection.run(
                script: """
                    create function warn() returns void language plpgsql as
                    $$ begin raise warning 'beware'; raise notice 'by the way'; end $$
                    """,
                timeout: .seconds(5)
            )
            try await connection.query("select warn()::text")
            let told = recorder.entries.map { "\($0.level) \($0.text("postgres.message"))" }
            #expect(told == ["warning beware", "debug by the way"])
        }
    }
}
