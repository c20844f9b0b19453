import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import EventQueue

@Suite("A caller may hang up at any time", .timeLimit(.minutes(10)))
struct HangUpTests {
    @Test("before its event is registered")
    func before() async throws {
        try await Rig.run { rig async throws in
            for _ in 0..<20 {
                let event = NewEvent.sample()
                let gate = Gate()
                let caller = Task {
                    await gate.passed()
                    return await rig.outcome(of: event)
                }
                caller.cancel()
                gate.open()
                #expect(await caller.value == .abandoned)
                #expect(rig.ingress.waiting == 0)
            }
            // One or the other may have been on its way already: then it is cancelled.
            try await eventually("nothing is left of them") {
                try await rig.database.query("select 'x' from rejoinder.event where state <> 'cancelled'").isEmpty
            }
        }
    }

    @Test("while it waits: the event is cancelled in the queue, or its handler is")
    func during() async throws {
        try await Rig.run { rig in
            let queued = NewEvent.sample()
            let caller = Task { await rig.outcome(of: queued) }
            try await eventually("it is enqueued") { try await rig.state(of: queued.id) == "queued" }
            caller.cancel()
            #expect(await caller.value == .abandoned)
            try await eventually("it is cancelled") { try await rig.state(of: queued.id) == "cancelled" }

            try await rig.withHoldingWorker { worker, held, gate async throws in
                let running = NewEvent.sample()
                let caller = Task { await rig.outcome(of: running) }
                #expect(try await held.next() == running.id)
                caller.cancel()
                #expect(await caller.value == .abandoned)
                #expect(try await worker.cancelled.next() == running.id)
                #expect(try await rig.state(of: running.id) == "cancelled")
                gate.open()
            }
            #expect(try await rig.database.query("select distinct state::text from rejoinder.event") == [["cancelled"]])
        }
    }

    @Test("after it has its outcome, and all at the same time")
    func afterAndRacing() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { _ in
                let caller = Task { await rig.outcome() }
                let outcome = await caller.value
                caller.cancel()
                #expect(outcome.text == "\"hello\"")

                let outcomes = await withTaskGroup(of: Outcome.self) { group in
                    for index in 0..<300 {
                        group.addTask {
                            let caller = Task { await rig.outcome(of: .sample(text: "\(index)")) }
                            for _ in 0..<(index % 60) { await Task.yield() }
                            caller.cancel()
                            return await caller.value
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(outcomes.count == 300)
                #expect(outcomes.allSatisfy { $0 == .abandoned || $0.text != nil })
            }
            #expect(rig.ingress.waiting == 0)
        }
    }

    @Test("by its id, while it waits; it is harmless when nobody does")
    func abandon() async throws {
        try await Rig.run { rig in
            rig.ingress.abandon(EventID())
            let waiting = NewEvent.sample()
            let caller = Task { await rig.outcome(of: waiting) }
            try await eventually("it waits") { rig.ingress.waiting == 1 }
            rig.ingress.abandon(waiting.id)
            #expect(await caller.value == .abandoned)
        }
    }
}
