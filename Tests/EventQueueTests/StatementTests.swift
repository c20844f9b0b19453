import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("The statements of the clients fit the schema", .timeLimit(.minutes(10)))
struct StatementTests {
    /// What the Swift code sends to each statement and reads from it.
    private static let signatures: [String: (parameters: String, columns: String)] = [
        "answer_by_hand": ("{text,text,text,text,boolean}", "text"),
        "attend": ("{integer,text}", "void"),
        "audit": ("{bigint}", "bigint,text,text,text,text,text,jsonb"),
        "cancel": ("{text,text,text}", "text"),
        "claim": (
            "{integer,text[],integer,bigint,text[],integer,boolean,integer,text,integer,boolean}",
            "uuid,bigint,smallint,integer,integer,text,text,json,integer,text,integer,bigint,bigint,bigint"
        ),
        "contents": ("{text}", "text,text"),
        "definitions": ("{}", "text"),
        "definitions_present": ("{}", "boolean"),
        "deregister": ("{integer}", "void"),
        "drop_expired": ("{}", "integer"),
        "drain": ("{text,text,integer}", "text"),
        "ended_events": (
            #"{text,text,"double precision",bigint}"#,
            "text,text,text,text,smallint,smallint,boolean,integer,integer,text,text,text,text,"
                + "text,text"
        ),
        "event": (
            "{text}",
            "text,text,text,text,smallint,smallint,boolean,integer,integer,text,text,text,text,"
                + "text,text"
        ),
        "events": (
            #"{text,text,"double precision",bigint}"#,
            "text,text,text,text,smallint,smallint,boolean,integer,integer,text,text,text,text,"
                + "text,text"
        ),
        "failures": ("{bigint}", "text,text,text,double precision,double precision,text,smallint,text,text"),
        "glance": ("{}", "json"),
        "heartbeat": ("{integer,integer}", "boolean,boolean,boolean,boolean,text[]"),
        "held": ("{integer}", "uuid,bigint"),
        "incidents": ("{}", "text,text,text,bigint,bigint,text,text,text"),
        "life": ("{text}", "text,text,double precision,text,text"),
        "limit_node": (#"{text,text,text,integer,"double precision"}"#, "text"),
        "listen": ("{text}", "void"),
        "live_events": (
            #"{text,text,"double precision",bigint}"#,
            "text,text,text,text,smallint,smallint,boolean,integer,integer,text,text,text,text,"
                + "text,text"
        ),
        "may_call": ("{text}", "boolean"),
        "may_vacuum": ("{}", "boolean"),
        "membership": ("{text,text}", "boolean,boolean,boolean,text,text"),
        "migrations_applied": ("{}", "integer,text,text"),
        "minutes": ("{integer,integer}", "integer,text,text,integer,bigint,boolean"),
        "nodes": (
            "{}",
            "text,bigint,bigint,double precision,double precision,boolean,boolean,text,integer,double precision,"
                + "bigint,bigint,double precision"
        ),
        "note_incidents": ("{integer,text[],text[],text[],integer[],integer[]}", "void"),
        "overview": (
            "{}",
            "text,bigint,bigint,double precision,bigint,bigint,bigint,bigint,bigint,bigint,bigint,bigint,"
                + "double precision,double precision,double precision"
        ),
        "pass_on": ("{integer,bigint}", "integer"),
        "pause": ("{text,text,text,boolean}", "text"),
        "record_definitions": ("{text}", "void"),
        "recover": ("{bigint,boolean}", "integer,integer,integer,bigint"),
        "register": ("{text,text,text,integer,text,jsonb,integer,boolean,bigint}", "integer,integer[],text"),
        "release": ("{integer,uuid[],bigint[]}", "integer"),
        "replied": ("{integer,uuid[],integer[],integer[]}", "void"),
        "results": ("{uuid[]}", "uuid,text,smallint,text,json,integer"),
        "resume": ("{text,text,text}", "text"),
        "retry": (#"{text,text,text,"double precision",boolean}"#, "text"),
        "revive": ("{integer,uuid[]}", "integer"),
        "secure": ("{}", "text[]"),
        "sight": ("{text}", "json"),
        "tidy": ("{}", "integer"),
        "unserved": ("{text[]}", "text[]"),
        "vitals": ("{}", "text,text,double precision"),
        "wake": ("{text[]}", "integer"),
        "workers": (
            "{}",
            "integer,text,text,integer,text[],integer,integer,double precision,boolean,boolean,"
                + "text,text"
        ),
    ]

    @Test("each has its line in the table of this test")
    func complete() {
        #expect(Set(Statements.all.map(\.name)) == Self.procedures.union(Self.signatures.keys))
    }

    @Test("parameters and columns have the types that are sent and read")
    func types() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for statement in Statements.all where !Self.procedures.contains(statement.name) {
                let name = statement.name
                let expected = try #require(Self.signatures[name])
                try await connection.run(script: "prepare \(name) as \(statement.sql)", timeout: .seconds(5))
                let parameters = try #require(
                    try await connection.query(
                        """
                        select parameter_types::text, cardinality(parameter_types)::text
                          from pg_prepared_statements
                         where name = '\(name)'
                        """
                    ).first
                )
                let columns = try await self.columns(of: name, Int(parameters[1] ?? "") ?? 0, on: connection)
                #expect(parameters[0] == expected.parameters, "\(name)")
                #expect(columns == expected.columns, "\(name)")
            }
        }
    }

    /// SQL's own `prepare` takes no call of a procedure.
    private static let procedures: Set = ["abandon", "answer", "enqueue"]

    @Test("the procedures take what is sent, and return what is read")
    func procedures() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            #expect(try await connection.execute(.abandon([])).uuids(0, 0).isEmpty)
            let answered = try await connection.execute(.answer(worker: 1, []))
            try await connection.execute(.enqueue([], ingress: 1))
            #expect((0..<answered.columns).map { answered.name(ofColumn: $0) } == ["accepted", "states", "waited"])
            let prepared = try await connection.query(
                """
                select name, parameter_types::text
                  from pg_prepared_statements
                 where name in ('abandon', 'answer', 'enqueue')
                 order by name
                """
            )
            #expect(
                prepared == [
                    ["abandon", "{uuid[],text[],text[]}"],
                    ["answer", "{integer,uuid[],bigint[],text[],json[],text[],text[],integer[],integer[]}"],
                    ["enqueue", "{integer,uuid[],text[],text[],integer[],json[],integer[],text[]}"],
                ]
            )
        }
    }

    /// The types of a prepared statement's columns, by way of a table that is made like its result, and never filled.
    private func columns(of name: String, _ parameters: Int, on connection: PostgresConnection) async throws -> String?
    {
        let nulls = Array(repeating: "null", count: parameters).joined(separator: ", ")
        let execute = "execute \(name)\(parameters > 0 ? "(\(nulls))" : "")"
        do throws(PostgresError) {
            try await connection.run(
                script: "create temp table result as \(execute) with no data",
                timeout: .seconds(5)
            )
        } catch {
            guard error.message.contains("pseudo-type void") else { throw error }
            return "void"
        }
        let columns = try await connection.query(
            """
            select string_agg(format_type(atttypid, null), ',' order by attnum)
              from pg_attribute
             where attrelid = 'result'::regclass and attnum > 0
            """
        ).first?[0]
        try await connection.query("drop table result")
        return columns
    }
}
