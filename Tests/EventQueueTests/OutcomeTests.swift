import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("A caller gets the outcome of its event", .timeLimit(.minutes(10)))
struct OutcomeTests {
    @Test("a worker's answer, byte for byte")
    func answered() async throws {
        let reply = Array(#"{"status":true,  "response":["é \u0000"]}"#.utf8)
        try await Rig.run { rig in
            try await rig.withWorker(handle: { _ in .answered(reply) }) { worker async throws in
                let event = NewEvent.sample()
                #expect(await rig.outcome(of: event) == .answered(reply, attempt: 1))
                #expect(try await rig.state(of: event.id) == "answered")
                #expect(worker.recorder.complaints == [])
            }
            #expect(rig.recorder.complaints == [])
        }
    }

    @Test("a thousand at once each get their own")
    func thousand() async throws {
        try await Rig.run { rig in
            let lanes = [LaneOptions.sample(["a", "b"], slots: 50), .sample(nil, excluding: ["a", "b"], slots: 50)]
            try await rig.withWorker(lanes) { _ in
                try await rig.withWorker(lanes) { _ in
                    let events = (0..<1000).map { NewEvent.sample(node: ["a", "b", "c"][$0 % 3], text: "event \($0)") }
                    #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                }
            }
            let attempts = try await rig.database.query(
                "select distinct attempt::text, state::text from rejoinder.event"
            )
            #expect(attempts == [["1", "answered"]])
        }
    }

    @Test("whatever the handler says of its failure, also what the database can't store", arguments: [true, false])
    func unstorable(isFinal: Bool) async throws {
        try await Rig.run { rig in
            // As one that is not in UTF-8 refuses some characters.
            for table in ["outcome", "live"] {
                try await rig.database.query(
                    "alter table rejoinder.\(table) add constraint ascii check (error !~ '[^\\x01-\\x7f]')"
                )
            }
            let lanes = [LaneOptions.sample(maxAttempts: 2)]
            let handle: @Sendable (Claim) async -> AttemptOutcome? = { _ in
                isFinal ? .failed(code: "refused", error: "only ₹1") : .retry(code: "handler_failed", error: "₹")
            }
            try await rig.withWorker(lanes, handle: handle) { _ in
                let event = NewEvent.sample()
                let code = isFinal ? "refused" : "handler_failed"
                #expect(await rig.outcome(of: event) == .failed(code: code, attempt: isFinal ? 1 : 2))
                let rows = try await rig.database.query("select code, error from rejoinder.event")
                #expect(rows.count == 1 && rows[0][0] == code)
                #expect(rows[0][1]?.hasPrefix("the database refused it: ") == true)
            }
        }
    }

    @Test("two ingresses on one database are told of their own events")
    func twoIngresses() async throws {
        try await Rig.run { first in
            try await Rig.run(in: first.database) { second in
                try await first.withWorker { _ in
                    let events = (0..<200).map { NewEvent.sample(text: "\($0)") }
                    async let some = first.outcomes(of: Array(events[..<100]))
                    async let others = second.outcomes(of: Array(events[100...]))
                    #expect(await (some + others).map(\.text) == events.map(\.text))
                }
            }
        }
    }

    /// Replaces a function of the schema by one that does something else.
    private func replace(_ signature: String, by body: String, in rig: Rig) async throws {
        try await rig.database.query(
            "create or replace function rejoinder.\(signature) language plpgsql as $$ begin \(body); end $$"
        )
    }

    @Test("a short answer of a session that it knows without asking for it, also after the connection was lost")
    func told() async throws {
        try await Rig.run { rig in
            try await rig.rename("results", to: "results_of")
            try await rig.database.query("create sequence rejoinder.asked")
            try await self.replace(
                """
                results(ids uuid[]) returns table (
                    id uuid, state rejoinder.state, attempt smallint, code text, answer json, waited integer
                )
                """,
                by: "perform nextval('rejoinder.asked'); return query select r.* from rejoinder.results_of(ids) as r",
                in: rig
            )
            let asked = "select last_value::text, is_called::text from rejoinder.asked"
            try await rig.withWorker { _ in
                for n in 0..<5 {
                    try await eventually("it knows the worker's sessions, and asks for nothing") {
                        let before = try await rig.database.query(asked)
                        let events = (0..<100).map { NewEvent.sample(text: "\(n) \($0)") }
                        #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                        return try await rig.database.query(asked) == before
                    }
                    // It finds the end of its connection while nobody waits, and listens on the next.
                    try await rig.terminate()
                }
            }
        }
    }

    @Test("a long answer by asking for it")
    func asked() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { _ in
                try await eventually("they come sooner than they are asked for anyway, after two seconds") {
                    let start = ContinuousClock.now
                    let events = (0..<50).map {
                        NewEvent.sample(text: String(repeating: "é\($0)", count: 500 + $0 * 100))
                    }
                    #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                    return ContinuousClock.now - start < .seconds(2)
                }
            }
        }
    }

    @Test("whatever the notification says, or if none comes")
    func lostNotification() async throws {
        try await Rig.run { rig in
            try await self.replace("settle(ids uuid[]) returns void", by: "null", in: rig)
            try await rig.withWorker { _ in
                let events = (0..<20).map { NewEvent.sample(text: "\($0)") }
                #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                let registration = try #require(rig.ingress.session.registration)
                let owner = try await rig.database.connect()
                for payload in ["", "done", "nonsense", "done\u{1E}x", "done\u{1E}\(EventID()) 1 5 {}", "cancel x"] {
                    try await owner.notify(registration.process, payload)
                }
                #expect(await rig.outcome().text == "\"hello\"")
            }
        }
    }

    @Test("a handler's refusal, with its code")
    func failed() async throws {
        try await Rig.run { rig in
            try await rig.withWorker(handle: { _ in .failed(code: "refused", error: "no") }) { _ in
                #expect(await rig.outcome() == .failed(code: "refused", attempt: 1))
            }
        }
    }

    @Test("retries until one succeeds, or none is left")
    func retry() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { claim in
                claim.node == "node" && claim.attempt == 2
                    ? .answered(claim.payload) : .retry(code: "handler_failed", error: "try \(claim.attempt)")
            } _: { _ in
                let event = NewEvent.sample()
                #expect(await rig.outcome(of: event) == .answered(event.payload, attempt: 2))
            }
            try await rig.withWorker(handle: { _ in .retry(code: "handler_failed", error: "") }) { _ in
                #expect(await rig.outcome() == .failed(code: "handler_failed", attempt: 3))
            }
            try await rig.withWorker([.sample(maxAttempts: 1)], handle: { _ in .retry(code: "x", error: "") }) { _ in
                #expect(await rig.outcome() == .failed(code: "x", attempt: 1))
            }
        }
    }

    @Test("an answer that is no JSON fails its own event alone")
    func invalidAnswer() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { claim in
                claim.payload == Array("\"bad\"".utf8) ? .answered(Array("{".utf8)) : .answered(claim.payload)
            } _: { _ in
                let events = (0..<20).map { NewEvent.sample(text: $0 == 7 ? "bad" : "\($0)") }
                let outcomes = await rig.outcomes(of: events)
                for (index, outcome) in outcomes.enumerated() {
                    #expect(
                        outcome
                            == (index == 7
                                ? .failed(code: "invalid_reply", attempt: 1)
                                : .answered(events[index].payload, attempt: 1))
                    )
                }
            }
        }
    }

    @Test("an event that the database won't take is rejected alone", arguments: [1, 20])
    func rejected(count: Int) async throws {
        try await Rig.run { rig in
            try await rig.withWorker { _ in
                let bad = NewEvent(endpoint: "/", node: "node", payload: [0x7B], deadline: .now + .seconds(20))
                let events = (1..<count).map { NewEvent.sample(text: "\($0)") } + [bad]
                let outcomes = await rig.outcomes(of: events)
                #expect(outcomes.last == .rejected("22P02"))
                #expect(outcomes.dropLast().map(\.text) == events.dropLast().map(\.text))
                #expect(await rig.outcome(of: bad) == .rejected("22P02"))
                #expect(await rig.outcome().text == "\"hello\"")
            }
        }
    }

    @Test("an operator's answer by hand, and an operator's cancellation")
    func byHand() async throws {
        try await Rig.run { rig in
            let held = Mailbox<EventID>()
            let gate = Gate()
            try await rig.withWorker { claim in
                held.send(claim.id)
                await gate.passed()
                return .answered(claim.payload)
            } _: { worker in
                for (call, expected) in [
                    (
                        "answer_by_hand('%', 'words')",
                        Outcome.answered(Array(#"{"status" : true, "response" : ["words"]}"#.utf8), attempt: 1)
                    ),
                    ("cancel('%')", .cancelled),
                ] {
                    async let outcome = rig.outcome()
                    let id = try await held.next()
                    try await rig.database.query("select rejoinder.\(call.replacing("%", with: id.description))::text")
                    #expect(await outcome == expected)
                    #expect(try await worker.cancelled.next() == id)
                }
                gate.open()
            }
        }
    }
}
