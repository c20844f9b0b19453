import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Lanes as the database reads them", .timeLimit(.minutes(10)))
struct LaneOptionsTests {
    @Test("names of any kind, the catch-all and the exclusions arrive unchanged")
    func register() async throws {
        let odd = [
            "plain", "", "a\"b", "back\\slash", "new\nline\r\t", "\u{1}\u{1F}\u{7F}", "日本語 👩‍👩‍👧‍👦", "{a,b}", "null",
            "\u{2028}",
            "</script>", "e\u{301}",
        ]
        let lanes = [
            LaneOptions(nodes: odd, slots: 7, maxAttempts: 3, atMostOnce: false),
            LaneOptions(nodes: nil, excluding: odd, slots: 1, maxAttempts: 3, atMostOnce: true),
            LaneOptions(nodes: [], slots: 2, maxAttempts: 3, atMostOnce: true),
        ]
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, lanes)
            #expect(worker.lanes.count == 3)
            let rows = try await connection.execute(
                .sql("select nodes, excluding, slots from rejoinder.lane order by id")
            )
            #expect(rows.strings(0, 0).map(\.unicodeScalars.count) == odd.map(\.unicodeScalars.count))
            #expect(rows.strings(0, 0) == odd)
            #expect(rows.strings(0, 1) == [])
            #expect(rows.integer(0, 2, as: Int32.self) == 7)
            #expect(rows.isNull(1, 0))
            #expect(rows.strings(1, 1) == odd)
            #expect(!rows.isNull(2, 0))
            #expect(rows.strings(2, 0) == [])
            #expect(try await connection.query("select slots::text from rejoinder.process") == [["10"]])
        }
    }

    @Test("every control character is escaped as JSON asks")
    func controls() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            // All but zero, which jsonb can't hold.
            for code in UInt8(1)..<0x30 {
                let name = String(UnicodeScalar(code))
                let lane = LaneOptions(nodes: [name], slots: 1, maxAttempts: 1, atMostOnce: false)
                let rows = try await connection.execute(
                    .sql("select $1::jsonb #>> '{0,nodes,0}'") { $0.append(jsonb: LaneOptions.json([lane])) }
                )
                #expect(rows.string(0, 0) == name)
            }
        }
    }
}
