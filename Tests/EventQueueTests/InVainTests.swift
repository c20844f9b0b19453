import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("A caller that waits in vain is told so", .timeLimit(.minutes(10)))
struct InVainTests {
    private func limits(_ change: (inout IngressQueue.Limits) -> Void) -> IngressQueue.Limits {
        var limits = IngressQueue.Limits()
        change(&limits)
        return limits
    }

    @Test("at the deadline, also while a handler runs; the event expires, and the worker is told")
    func expired() async throws {
        try await Rig.run { rig in
            try await rig.withHoldingWorker { worker, held, gate async throws in
                let running = NewEvent.sample(timeLeft: .seconds(2))
                // Long enough to be enqueued on a busy machine: what comes too late for that leaves no row.
                let queued = NewEvent.sample(node: "nobody's", timeLeft: .seconds(2))
                async let outcomes = rig.outcomes(of: [running, queued])
                #expect(try await held.next() == running.id)
                #expect(await outcomes == [.expired, .expired])
                for event in [running, queued] {
                    try await eventually("the event expires") { try await rig.state(of: event.id) == "expired" }
                }
                #expect(try await worker.cancelled.next() == running.id)
                gate.open()
            }
            #expect(try await rig.database.query("select distinct state::text from rejoinder.event") == [["expired"]])
        }
    }

    @Test("at once where too many wait, or too much")
    func overloaded() async throws {
        try await Rig.run(limits: self.limits { ($0.waiting, $0.waitingBytes) = (3, 100) }) { rig in
            let callers = (0..<2).map { _ in Task { await rig.outcome(of: .sample(text: "1234567890")) } }
            try await eventually("two wait") { rig.ingress.waiting == 2 }
            #expect(await rig.outcome(of: .sample(text: String(repeating: "x", count: 80))) == .outOfRoom)
            let third = Task { await rig.outcome() }
            try await eventually("three wait") { rig.ingress.waiting == 3 }
            #expect(await rig.outcome() == .overloaded)
            #expect(rig.ingress.waiting == 3)
            for caller in callers + [third] { caller.cancel() }
            for caller in callers + [third] { #expect(await caller.value == .abandoned) }
            // There is room again.
            try await rig.withWorker { _ in #expect(await rig.outcome().text != nil) }
        }
    }

    @Test("after the grace where no worker serves the node, and others are served meanwhile")
    func unserved() async throws {
        try await Rig.run(limits: self.limits { $0.workerGrace = .seconds(1) }) { rig in
            try await rig.withWorker { _ in
                let lost = NewEvent.sample(node: "nobody's")
                let outcomes = await rig.outcomes(of: [lost, .sample()])
                #expect(outcomes[0] == .unserved)
                #expect(outcomes[1].text == "\"hello\"")
                try await eventually("the event is cancelled") { try await rig.state(of: lost.id) == "cancelled" }
            }
        }
    }

    @Test("a worker that comes within the grace serves those that wait")
    func lateWorker() async throws {
        try await Rig.run { rig in
            let outcomes = Task { await rig.outcomes(of: (0..<10).map { .sample(text: "\($0)") }) }
            try await eventually("all wait") { rig.ingress.waiting == 10 }
            try await rig.withWorker { _ in
                #expect(await outcomes.value.map(\.text) == (0..<10).map { "\"\($0)\"" })
            }
        }
    }
}
