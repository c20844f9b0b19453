import PostgresClient
import TestSupport
import Testing

@Suite("Every type of argument arrives as it was sent", .timeLimit(.minutes(10)))
struct ArgumentTests {
    private func round(
        _ sql: String,
        _ append: (inout PostgresArguments) -> Void,
        _ check: (PostgresRows) throws -> Void
    ) async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            var arguments = PostgresArguments()
            append(&arguments)
            try check(try await connection.execute(PostgresCall(PostgresStatement(name: "round", sql: sql), arguments)))
            await connection.close()
        }
    }

    @Test("booleans, integers, text, uuid and null")
    func scalars() async throws {
        try await self.round("select $1::bool, $2::bool, $3::int, $4::bigint, $5::int, $6::text, $7::text, $8::text") {
            $0.append(true)
            $0.append(false)
            $0.append(Int32.min)
            $0.append(Int64.max)
            $0.appendNull()
            $0.append("naïve, 東京 \\ ' \n" as String?)
            $0.append("" as String?)
            $0.append(nil as String?)
        } _: { rows in
            #expect(rows.count == 1)
            #expect(rows.columns == 8)
            #expect(rows.bool(0, 0))
            #expect(!rows.bool(0, 1))
            #expect(rows.integer(0, 2, as: Int32.self) == .min)
            #expect(rows.integer(0, 3, as: Int64.self) == .max)
            #expect(rows.isNull(0, 4))
            #expect(rows.optionalInteger(0, 4, as: Int32.self) == nil)
            #expect(rows.optionalInteger(0, 2, as: Int32.self) == .min)
            #expect(rows.string(0, 5) == "naïve, 東京 \\ ' \n")
            #expect(rows.optionalString(0, 6) == "")
            #expect(rows.optionalString(0, 7) == nil)
        }
    }

    @Test("the narrow integer of a column is read at its own width")
    func smallint() async throws {
        try await self.round("select (-7)::smallint as narrow") { _ in
        } _: { rows in
            #expect(rows.integer(0, 0, as: Int16.self) == -7)
            #expect(rows.name(ofColumn: 0) == "narrow")
        }
    }

    @Test("text of any kind, alone and in an array")
    func text() async throws {
        let texts = [
            "", "plain", "'; drop table student; --", "Grüße, 東京, 👩‍👩‍👧‍👦", "line\nline\ttab", "\\", "\u{FEFF}\u{7F}\u{1}",
            String(repeating: "x", count: 100_000),
        ]
        try await self.round("select t, $1::text[], octet_length(t) from unnest($1::text[]) as t") {
            $0.append(texts)
        } _: { rows in
            #expect((0..<rows.count).map { rows.string($0, 0) } == texts)
            #expect(rows.strings(0, 1) == texts)
            #expect((0..<rows.count).map { Int(rows.integer($0, 2, as: Int32.self)) } == texts.map(\.utf8.count))
        }
    }

    @Test("arrays of integers, also empty ones")
    func integers() async throws {
        try await self.round("select $1::int[], $2::int[], $3::bigint[]::text, $4::bigint[]::text") {
            $0.append([Int32.min, 0, Int32.max])
            $0.append([Int32]())
            $0.append([Int64.min, 0, Int64.max])
            $0.append([Int64]())
        } _: { rows in
            #expect(rows.integers(0, 0) == [.min, 0, .max])
            #expect(rows.integers(0, 1) == [])
            #expect(rows.string(0, 2) == "{-9223372036854775808,0,9223372036854775807}")
            #expect(rows.string(0, 3) == "{}")
        }
    }

    @Test("arrays of text: null as a whole, empty, with nulls among the elements")
    func nullsInArrays() async throws {
        try await self.round(
            """
            select $1::text[] is null, $2::text[], $3::text[]::text, array_length($3, 1), $4::text[]::text,
                   array_ndims($4) is null
            """
        ) {
            $0.append(nil as [String]?)
            $0.append([] as [String]?)
            $0.append([nil, "", "NULL", nil] as [String?])
            $0.append([] as [String?])
        } _: { rows in
            #expect(rows.bool(0, 0))
            #expect(rows.strings(0, 1) == [])
            #expect(rows.string(0, 2) == #"{NULL,"","NULL",NULL}"#)
            #expect(rows.integer(0, 3, as: Int32.self) == 4)
            #expect(rows.string(0, 4) == "{}")
            #expect(rows.bool(0, 5))
        }
    }

    @Test("json keeps its exact text, jsonb its value")
    func json() async throws {
        let exact = #"{"b":1,  "a":"é \u0000", "a":2 }"#
        try await self.round("select e::text from unnest($1::json[]) as e union all select $2::jsonb::text") {
            $0.append(json: [Array(exact.utf8), nil, Array("[]".utf8)])
            $0.append(jsonb: #"{"b":1,  "a":"é", "a":2 }"#)
        } _: { rows in
            #expect(
                (0..<rows.count).map { rows.optionalString($0, 0) } == [exact, nil, "[]", #"{"a": 2, "b": 1}"#]
            )
        }
    }

    @Test("uuids, in both directions")
    func uuids() async throws {
        try await self.round("select u, u::text from unnest($1::uuid[]) as u") {
            $0.append(uuids: [(0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210), (0, .max)])
        } _: { rows in
            #expect(rows.uuid(0, 0) == (0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210))
            #expect(rows.string(0, 1) == "01234567-89ab-cdef-fedc-ba9876543210")
            #expect(rows.uuid(1, 0) == (0, .max))
        }
    }

    @Test("a pipeline of large values does not choke on full buffers, in either direction")
    func largePipeline() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let echo = PostgresStatement(name: "echo", sql: "select $1::text")
            let texts = (0..<40).map { String(repeating: "\($0)", count: 300_000) }
            let calls = texts.map { text in
                var arguments = PostgresArguments()
                arguments.append(text as String?)
                return PostgresCall(echo, arguments)
            }
            let results = try await connection.pipeline(calls)
            #expect(try results.map { try $0.get().string(0, 0) } == texts)
            await connection.close()
        }
    }
}
