import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import EventQueue

@Suite("Only who may answer and claim is taken at his word", .timeLimit(.minutes(10)))
struct SenderTests {
    @Test("who they are is asked at first, when a stranger is heard but not at once again, and each 15 s")
    func looks() {
        let senders = Senders()
        let start = ContinuousClock.now
        #expect(senders.isLookDue(at: start))
        senders.looked([1, 2], at: start)
        #expect(!senders.isLookDue(at: start + .seconds(14)))
        #expect(senders.isLookDue(at: start + .seconds(15)))
        let knows = (senders.knows(2, at: start + .seconds(29)), senders.knows(2, at: start + .seconds(30)))
        #expect(knows == (true, false))
        let knowsStranger = senders.knows(3, at: start)
        #expect(!knowsStranger)
        #expect(!senders.isLookDue(at: start + .milliseconds(99)))
        #expect(senders.isLookDue(at: start + .milliseconds(100)))
        senders.looked([3], at: start + .seconds(1))
        let then = start + .seconds(2)
        let nowKnows = (senders.knows(2, at: then), senders.knows(3, at: then))
        #expect(nowKnows == (false, true))

        let areNews = (senders.failed(at: then), senders.failed(at: then + .seconds(15)))
        #expect(areNews == (true, false))
        #expect(!senders.isLookDue(at: then + .seconds(16)))
        let knowsAfterwards = senders.knows(3, at: then + .seconds(16))
        #expect(!knowsAfterwards)
    }

    @Test("where it can't be told who sends, all is looked up, answers come, and the log says it once")
    func unknown() async throws {
        try await Rig.run { rig in
            try await rig.rename("senders", to: "no_senders")
            try await rig.withWorker { worker in
                for text in ["1", "2", "3"] {
                    #expect(await rig.outcome(of: .sample(text: text)).text == "\"\(text)\"")
                }
                let complaints = worker.recorder.complaints
                #expect(complaints.count { $0.hasPrefix("can't tell who sends") } == 1, "\(complaints)")
            }
            let complaints = rig.recorder.complaints
            #expect(complaints.count { $0.hasPrefix("can't tell who sends") } == 1, "\(complaints)")
        }
    }

    @Test("an answer that a reader notifies reaches no caller, the real one does")
    func forgedAnswer() async throws {
        try await Rig.run { rig in
            let reader = try await rig.database.asMember(of: "rejoinder_reader").connect()
            let event = NewEvent.sample(text: "asked")
            let caller = Task { await rig.outcome(of: event) }
            try await eventually("it is queued") { try await rig.state(of: event.id) == "queued" }
            let ingress = try #require(rig.ingress.session.registration?.process)
            let forged = "done\u{1E}\(event.id) 1 0 {\"forged\":true}"
            try await reader.query("select pg_notify('rejoinder_\(ingress)', '\(forged)')::text")
            try await rig.withWorker(handle: { _ in .answered(Array(#""real""#.utf8)) }) { _ in
                #expect(await caller.value.text == #""real""#)
            }
        }
    }

    @Test("an event that a reader hands to a worker is not run")
    func forgedGrant() async throws {
        let handled = Mutex<[String]>([])
        try await Rig.run { rig in
            let reader = try await rig.database.asMember(of: "rejoinder_reader").connect()
            let handle: @Sendable (Claim) async -> AttemptOutcome? = { claim in
                handled.withLock { $0.append(String(decoding: claim.payload, as: UTF8.self)) }
                return .answered(claim.payload)
            }
            try await rig.withWorker(handle: handle) { worker in
                let registration = try #require(worker.queue.session.registration)
                let forged = "grant \(registration.lanes[0]) \(EventID()) 1 9000 8 4 0:/webhooknode\"forged\""
                try await reader.query("select pg_notify('rejoinder_\(registration.process)', '\(forged)')::text")
                for _ in 0..<3 {
                    let outcome = await rig.outcome(of: .sample(text: "asked"))
                    #expect(outcome.text != nil)
                }
            }
        }
        #expect(handled.withLock { $0.count } == 3)
    }

    @Test("a reader cancels nothing that runs, drains no worker, shuts no node; an operator on a new session cancels")
    func forgedOrders() async throws {
        try await Rig.run { rig in
            let reader = try await rig.database.asMember(of: "rejoinder_reader").connect()
            try await rig.withHoldingWorker { worker, held, gate async throws in
                let events = [NewEvent.sample(text: "kept"), .sample(text: "cancelled")]
                async let outcomes = rig.outcomes(of: events)
                #expect(Set([try await held.next(), try await held.next()]) == Set(events.map(\.id)))

                let registration = try #require(worker.queue.session.registration)
                let ingress = try #require(rig.ingress.session.registration?.process)
                // Each heartbeat would undo the last, within a second.
                for _ in 0..<100 {
                    try await reader.query("select pg_notify('rejoinder_\(ingress)', 'refuse node')::text")
                    #expect(rig.ingress.state.withLock { $0.refused } == [])
                }
                for order in ["cancel \(events[0].id)", "drain"] {
                    try await reader.query("select pg_notify('rejoinder_\(registration.process)', '\(order)')::text")
                }
                // The worker hears of this after the reader's.
                let operatorQueue = Operator(
                    try await rig.database.asMember(of: "rejoinder_operator").connect(),
                    actor: "kim",
                    via: "tests"
                )
                try await operatorQueue.cancel(events[1].id)
                #expect(try await worker.cancelled.next() == events[1].id)
                #expect(!worker.queue.isStopping)
                gate.open()
                #expect(await outcomes.map(\.text) == ["\"kept\"", nil])
                #expect(rig.ingress.state.withLock { $0.refused } == [])
            }
        }
    }

    @Test("what a stranger says to be cancelled runs where the same trip claims it")
    func claimedMeanwhile() async throws {
        try await Rig.run { rig in
            try await rig.withHoldingWorker([.sample(slots: 1)]) { worker, held, gate async throws in
                let events = [NewEvent.sample(text: "1"), .sample(text: "2")]
                async let outcomes = rig.outcomes(of: events)
                let first = try await held.next()
                let second = try #require(events.map(\.id).first { $0 != first })
                try await eventually("the other waits") { try await rig.state(of: second) == "queued" }
                worker.queue.state.withLock { $0.doubt(cancelled: second) }
                gate.open()
                #expect(await outcomes.map(\.text) == ["\"1\"", "\"2\""])
                for expected in ["claimed \(first)", "cancelled \(second)", "claimed \(second)"] {
                    #expect(try await worker.told.next() == expected)
                }
            }
        }
    }
}
