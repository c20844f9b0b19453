import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("An event's life can be looked at", .timeLimit(.minutes(10)))
struct LifeTests {
    static let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("every step, in order, with who took it")
    func steps() async throws {
        try await Rig.run { rig in
            var event = NewEvent.sample()
            event.trace = Self.traceparent
            let traces = Mailbox<String?>()
            try await rig.withWorker(handle: { claim in
                traces.send(claim.trace)
                return .answered(claim.payload)
            }) { _ in
                _ = await rig.outcome(of: event)
                rig.ingress.replied(to: event.id, status: 200)
            }
            #expect(try await traces.next() == Self.traceparent)
            let life = "select step, \"by\", detail, milliseconds::text from rejoinder.life('\(event.id)')"
            try await eventually("the reply is noted") {
                try await rig.database.query(life).last?.first == "replied"
            }
            let rows = try await rig.database.query(life)
            #expect(rows.map { $0[0] } == ["received", "enqueued", "claimed", "handled", "answered", "replied"])
            let milliseconds = rows.compactMap { $0[3].flatMap(Double.init) }
            #expect(milliseconds == milliseconds.sorted())
            #expect(milliseconds.first == 0)
            #expect(rows[0][2] == "at /webhook for node")
            #expect(rows[2][2] == "attempt 1")
            #expect(rows[5][2] == "status 200")
            #expect(rows.allSatisfy { $0[1] != nil })
            #expect(rows[0][1] == rows[5][1])
            #expect(rows[2][1] == rows[4][1])
            let trace = try await rig.database.query("select trace from rejoinder.event where id = '\(event.id)'")
            #expect(trace == [[Self.traceparent]])
        }
    }

    @Test("what an operator did to it says who that was", arguments: [true, false])
    func operators(answers: Bool) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let ids = try await connection.enqueue([.sample(), .sample()], ingress: 1)
            let id = try #require(ids.first)
            try await connection.query("select set_config('rejoinder.actor', 'ana', false)")
            for id in ids.reversed() {
                let act = answers ? "answer_by_hand('\(id)', 'We call you.')" : "cancel('\(id)')"
                try await connection.query("select rejoinder.\(act)::text")
                try await connection.query("select set_config('rejoinder.actor', 'ben', false)")
            }
            let life = "select step, \"by\" from rejoinder.life('\(id)') order by at desc limit 1"
            #expect(try await connection.query(life) == [[answers ? "answered" : "cancelled", "ben (psql)"]])
        }
    }

    @Test(
        "a traceparent is one by the specification, or none",
        arguments: [
            (Self.traceparent, true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e473\u{E9}-0f067aa0ba902b7-01", false),
            ("", false),
        ]
    )
    func traceparents(_ text: String, _ isValid: Bool) {
        #expect((Traceparent(text)?.description == text) == isValid)
    }
}
