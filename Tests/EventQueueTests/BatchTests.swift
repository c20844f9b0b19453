import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import EventQueue

@Suite("One bad event never hurts its batch-mates", .timeLimit(.minutes(10)))
struct BatchTests {
    private static let bad = 11

    /// From now on the database refuses a row where `condition` holds, in its own words.
    private func refuse(_ condition: String, to table: String, in rig: Rig) async throws {
        try await rig.database.query(
            """
            create function public.refuse() returns trigger language plpgsql as
            $$ begin raise exception 'not this one'; end $$
            """
        )
        try await rig.database.query(
            """
            create trigger refuse before insert on rejoinder.\(table)
                for each row when (\(condition)) execute function public.refuse()
            """
        )
    }

    @Test("whatever the database has against one of twenty events, that one is rejected alone")
    func enqueue() async throws {
        try await Rig.run { rig in
            try await self.refuse("new.payload::text = '\"\(Self.bad)\"'", to: "received", in: rig)
            try await rig.withWorker { _ in
                let events = (0..<20).map { NewEvent.sample(text: "\($0)") }
                let outcomes = await rig.outcomes(of: events)
                for (index, outcome) in outcomes.enumerated() {
                    #expect(
                        outcome
                            == (index == Self.bad
                                ? .rejected("P0001") : .answered(events[index].payload, attempt: 1))
                    )
                }
                #expect(rig.ingress.connector.awaySince == nil)
                #expect(rig.recorder.complaints.count == 1, "\(rig.recorder.complaints)")
            }
        }
    }

    @Test("whatever the database has against one of twenty answers, that event fails alone")
    func answer() async throws {
        try await Rig.run { rig in
            try await self.refuse("new.answer::text = '\"\(Self.bad)\"'", to: "outcome", in: rig)
            let gate = Gate()
            let count = Counter()
            try await rig.withWorker { claim in
                count.add()
                await gate.passed()
                return .answered(claim.payload)
            } _: { worker in
                let events = (0..<20).map { NewEvent.sample(text: "\($0)") }
                async let outcomes = rig.outcomes(of: events)
                try await eventually("all run") { count.value == events.count }
                gate.open()
                for (index, outcome) in await outcomes.enumerated() {
                    #expect(
                        outcome
                            == (index == Self.bad
                                ? .failed(code: "invalid_reply", attempt: 1)
                                : .answered(events[index].payload, attempt: 1))
                    )
                }
                #expect(worker.queue.connector.awaySince == nil)
                #expect(worker.recorder.complaints.count == 1, "\(worker.recorder.complaints)")
            }
        }
    }

    /// Takes a procedure of the schema away while `body` runs.
    private func without(_ procedure: String, in rig: Rig, _ body: () async throws -> Void) async throws {
        let rows = try await rig.database.query(
            """
            select pg_get_functiondef(oid) from pg_proc
             where proname = '\(procedure)' and pronamespace = 'rejoinder'::regnamespace
            """
        )
        let definition = try #require(rows.first?.first ?? nil)
        try await rig.database.query("drop procedure rejoinder.\(procedure)")
        try await body()
        try await rig.database.query(definition)
    }

    @Test("a schema that can take no event is the database's fault: all wait, and are answered when it can")
    func withoutEnqueue() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { _ in
                let events = (0..<20).map { NewEvent.sample(text: "\($0)") }
                let waiting = Mailbox<[Outcome]>()
                try await self.without("enqueue_and_wake", in: rig) {
                    Task { waiting.send(await rig.outcomes(of: events)) }
                    try await eventually("it counts as away") { rig.ingress.connector.refuses }
                    #expect(!rig.ingress.isConnected && rig.ingress.isReady)
                }
                #expect(try await waiting.next().map(\.text) == events.map(\.text))
                #expect(rig.ingress.isConnected)
                #expect(rig.recorder.complaints.count == 1, "\(rig.recorder.complaints)")
            }
        }
    }

    @Test("a schema that can take no answer is the database's fault: answers are kept until it can")
    func withoutAnswer() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { worker in
                let events = (0..<20).map { NewEvent.sample(text: "\($0)") }
                let waiting = Mailbox<[Outcome]>()
                try await self.without("answer_and_settle", in: rig) {
                    Task { waiting.send(await rig.outcomes(of: events)) }
                    try await eventually("it counts as away") { worker.queue.connector.refuses }
                }
                #expect(try await waiting.next().map(\.text) == events.map(\.text))
                try await eventually("it is back") { worker.queue.connector.awaySince == nil }
                #expect(worker.recorder.complaints.count == 1, "\(worker.recorder.complaints)")
            }
        }
    }

    @Test("refused alike for a reason of the schema is refused by the schema; otherwise each for itself")
    func split() throws {
        func refused(
            of count: Int,
            after first: String,
            _ sqlState: @escaping (Int) -> String?
        ) throws(PostgresError) -> [Int]? {
            func refusal(_ state: String) -> PostgresError { PostgresError(.server, "no", sqlState: state) }
            let split = BatchSplit<Int> { part throws(PostgresError) in
                part.lazy.compactMap(sqlState).first.map(refusal)
            }
            return try split.refused(of: Array(0..<count), after: refusal(first))?.map(\.element)
        }
        #expect(try refused(of: 20, after: "P0001") { $0 == 7 ? "P0001" : nil } == [7])
        #expect(try refused(of: 20, after: "42883") { [3, 19].contains($0) ? "42883" : nil } == [3, 19])
        #expect(try refused(of: 20, after: "42883") { _ in "42883" } == nil)
        #expect(try refused(of: 3, after: "42883") { _ in "22P02" } == [0, 1, 2])
        #expect(try refused(of: 3, after: "P0001") { _ in "P0001" } == [0, 1, 2])
        #expect(try refused(of: 1, after: "42883") { _ in "42883" } == [0])
        for transient in ["40P01", "53100", "57P01", "25006", "08006"] {
            #expect(throws: PostgresError.self) { try refused(of: 2, after: transient) { _ in transient } }
            #expect(throws: PostgresError.self) { try refused(of: 4, after: "22P02") { $0 == 3 ? transient : nil } }
        }
    }

    @Test("a schema that is mended while it is found out what is refused costs nothing of the batch")
    func mended() throws {
        let missing = PostgresError(.server, "no", sqlState: "42883")
        /// The schema takes nothing from one send on, and everything from another on.
        func refused(of count: Int, away: Range<Int>) throws(PostgresError) -> [Int]? {
            let sends = Mutex(0)
            let split = BatchSplit<Int> { _ throws(PostgresError) in
                let number = sends.withLock { sends in
                    defer { sends += 1 }
                    return sends
                }
                return away.contains(number) ? missing : nil
            }
            return try split.refused(of: Array(0..<count), after: missing)?.map(\.element)
        }
        for count in [1, 2, 3, 20] {
            #expect(try refused(of: count, away: 0..<0) == [])
        }
        for end in 2..<50 {
            #expect(try refused(of: 20, away: 1..<end)?.isEmpty != false, "mended at send \(end)")
        }
    }
}
