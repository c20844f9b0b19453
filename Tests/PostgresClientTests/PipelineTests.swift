import PostgresClient
import TestSupport
import Testing

@Suite("Calls in one round trip are transactions of their own", .timeLimit(.minutes(10)))
struct PipelineTests {
    private func call(_ sql: String) -> PostgresCall { PostgresCall(PostgresStatement(name: sql, sql: sql)) }

    @Test("each call has a transaction of its own, and its result its place")
    func transactions() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let calls = [
                self.call("select pg_current_xact_id()::text"), self.call("select 'between'"),
                self.call("select pg_current_xact_id()::text"),
            ]
            let values = try await connection.pipeline(calls).map { try $0.get().string(0, 0) }
            #expect(values[1] == "between")
            #expect(values[0] != values[2])
            #expect(try await connection.pipeline([]).isEmpty)
        }
    }

    @Test("a failing call hurts neither those before nor those after it")
    func failure() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            try await connection.query("create table number (n int primary key)")
            let results = try await connection.pipeline([
                self.call("insert into number values (1)"), self.call("insert into number values (1) "),
                self.call("insert into number values (2)"), self.call("select 1 / (n - 1) from number"),
                self.call("insert into number values (3)"),
            ])
            #expect(results.map(\.sqlState) == [nil, "23505", nil, "22012", nil])
            #expect(try await connection.query("select string_agg(n::text, ',' order by n) from number") == [["1,2,3"]])
            #expect(connection.isOpen)
        }
    }

    @Test("a statement that could not be prepared is prepared again when it is next used")
    func failedPreparation() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let select = self.call("select n::text from later")
            #expect(try await connection.pipeline([select]).map(\.sqlState) == ["42P01"])
            try await connection.query("create table later (n int)")
            try await connection.query("insert into later values (7)")
            #expect(try await connection.execute(select).string(0, 0) == "7")
            #expect(try await connection.execute(select).string(0, 0) == "7")
        }
    }

    @Test("a statement that can't be prepared fails as often as it stands in a pipeline, and the connection lives")
    func failedPreparationTwice() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let bad = self.call("select n from absent")
            let results = try await connection.pipeline([bad, self.call("select 'fine'"), bad])
            #expect(results.map(\.sqlState) == ["42P01", nil, "42P01"])
            #expect(connection.isOpen)
        }
    }

    @Test("a statement whose first use fails is prepared all the same")
    func failedFirstUse() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let divide = PostgresStatement(name: "divide", sql: "select (10 / $1::int)::text")
            func call(_ divisor: Int32) -> PostgresCall {
                var arguments = PostgresArguments()
                arguments.append(divisor)
                return PostgresCall(divide, arguments)
            }
            #expect(try await connection.pipeline([call(0)]).map(\.sqlState) == ["22012"])
            #expect(try await connection.execute(call(5)).string(0, 0) == "2")
            #expect(try await connection.pipeline([call(0), call(2)]).map(\.sqlState) == ["22012", nil])
        }
    }

    @Test("a script is one transaction, and leaves the connection fit for calls")
    func script() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let error = try await #require(throws: PostgresError.self) {
                try await connection.run(script: "create table kept (n int); select 1 / 0", timeout: .seconds(5))
            }
            #expect(error.sqlState == "22012")
            #expect(try await connection.query("select to_regclass('kept')::text") == [[nil]])
            try await connection.run(
                script: "create table kept (n int); ; insert into kept values (1)",
                timeout: .seconds(5)
            )
            #expect(try await connection.query("select n::text from kept") == [["1"]])
        }
    }

    @Test("the client encoding is UTF-8 whatever the connection string says, its application name counts")
    func keywords() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let url = database.url + "&client_encoding=LATIN1&application_name=mine"
            let configuration = PostgresConfiguration(connectionString: url, applicationName: "ours")
            let connection = try await PostgresConnection.connect(configuration, logger: .silent)
            #expect(try await connection.query("show client_encoding") == [["UTF8"]])
            #expect(try await connection.query("show application_name") == [["mine"]])
            let plain = try await database.connect()
            #expect(try await plain.query("show application_name") == [["rejoinder-tests"]])
        }
    }
}

extension Result where Success == PostgresRows, Failure == PostgresError {
    /// Of a failure; nil of a success.
    fileprivate var sqlState: String? {
        if case .failure(let error) = self { error.sqlState ?? "none" } else { nil }
    }
}
