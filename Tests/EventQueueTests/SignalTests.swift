import TestSupport
import Testing

@testable import EventQueue

/// Something to be isolated to.
private actor Home {
    private(set) var turns = 0

    /// Waits so many times; what it does in between is on this actor.
    func wait(for signal: Signal, _ count: Int, _ onTurn: @Sendable () -> Void) async {
        for _ in 0..<count {
            await signal.wait()
            self.assertIsolated()
            self.turns += 1
            onTurn()
        }
    }
}

@Suite("A signal wakes the one that waits", .timeLimit(.minutes(10)))
struct SignalTests {
    @Test("what was raised before, however often, is one")
    func before() async throws {
        let signal = Signal()
        for _ in 0..<3 { signal.raise() }
        await signal.wait()
        let second = Mailbox<Void>()
        let task = Task {
            await signal.wait()
            second.send(())
        }
        await #expect(throws: TestTimeout.self) { try await second.next(within: .milliseconds(50)) }
        signal.raise()
        await task.value
    }

    @Test("each that is raised while somebody waits ends one wait, on the actor that waits")
    func turns() async throws {
        let signal = Signal()
        let home = Home()
        let turns = Mailbox<Void>()
        let task = Task { await home.wait(for: signal, 1000) { turns.send(()) } }
        for _ in 0..<1000 {
            signal.raise()
            try await turns.next()
        }
        await task.value
        #expect(await home.turns == 1000)
    }

    @Test("none that is raised at any time from anywhere is lost")
    func racing() async throws {
        let signal = Signal()
        let raised = Counter()
        let seen = Counter()
        let waiting = Task {
            while seen.value < 20_000 {
                await signal.wait()
                while seen.value < raised.value { seen.add() }
            }
        }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for n in 0..<5000 {
                        raised.add()
                        signal.raise()
                        if n.isMultiple(of: 3) { await Task.yield() }
                    }
                }
            }
        }
        await waiting.value
        #expect(seen.value == 20_000)
    }

    @Test("cancellation ends the wait of the one that is cancelled, before or while it waits, and no later one's")
    func cancellation() async throws {
        let signal = Signal()
        for n in 0..<200 {
            let task = Task { await signal.wait() }
            for _ in 0..<(n % 5) { await Task.yield() }
            task.cancel()
            await task.value
        }
        let later = Mailbox<Void>()
        let task = Task {
            await signal.wait()
            later.send(())
        }
        await #expect(throws: TestTimeout.self) { try await later.next(within: .milliseconds(50)) }
        signal.raise()
        await task.value
    }
}
