import TestSupport
import Testing

@testable import EventQueue

@Suite("The id of an event", .timeLimit(.minutes(10)))
struct EventIDTests {
    @Test("it is a UUIDv7: version, variant, and increasing with time")
    func bits() {
        let ids = (0..<1000).map { _ in EventID() }
        #expect(ids.allSatisfy { $0.high >> 12 & 0xF == 7 })
        #expect(ids.allSatisfy { $0.low >> 62 == 0b10 })
        #expect(Set(ids).count == ids.count)
        let times = ids.map { $0.high >> 16 }
        #expect(times == times.sorted())
        // 2024 to 2100, in milliseconds.
        #expect(times.allSatisfy { (1_704_000_000_000..<4_102_000_000_000).contains($0) })
    }

    @Test("its text reads back as itself, in either case")
    func roundTrip() {
        for _ in 0..<1000 {
            let id = EventID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
            #expect(EventID(id.description) == id)
            #expect(EventID(id.description.uppercased()) == id)
        }
        let id = EventID(high: 0x0190_0000_ABCD_7FFF, low: 0x8000_0000_0000_0001)
        #expect(id.description == "01900000-abcd-7fff-8000-000000000001")
        #expect(EventID("01900000-abcd-7fff-8000-000000000001") == id)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "-", "01900000abcd7fff8000000000000001", "01900000-abcd-7fff-8000-00000000000", "{01900000-abcd}",
            "01900000-abcd-7fff-8000-0000000000011", "01900000-abcd-7fff-8000-00000000000g",
            "0190000-0abcd-7fff-8000-000000000001", "01900000-abcd-7fff-8000_000000000001",
            " 1900000-abcd-7fff-8000-000000000001", "01900000-abcd-7fff-8000-000000000001 ",
            "01900000-abcd-7fff-8000-00000000000１", "01900000-abcd-7fff-8000-000000000001-",
        ]
    )
    func malformed(_ text: String) {
        #expect(EventID(text) == nil)
    }

    @Test("PostgreSQL reads the same uuid, and finds its time between the bounds of now")
    func postgres() async throws {
        try await TestCluster.withDatabase { database in
            let id = EventID()
            let rows = try await database.query(
                """
                select '\(id)'::uuid::text,
                       ('\(id)'::uuid between rejoinder.id_at(clock_timestamp() - interval '1 minute')
                                          and rejoinder.id_at(clock_timestamp() + interval '1 minute'))::text
                """
            )
            #expect(rows == [[id.description, "true"]])
        }
    }
}
