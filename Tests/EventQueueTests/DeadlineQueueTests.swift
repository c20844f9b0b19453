import TestSupport
import Testing

@testable import EventQueue

@Suite("The queue of deadlines", .timeLimit(.minutes(10)))
struct DeadlineQueueTests {
    private let start = ContinuousClock.now

    /// With a spread of 1 they come in order, with one of 1000 in none.
    @Test(
        "what is due comes out in the order of the deadlines, each once",
        arguments: 0..<5 as Range<UInt64>,
        [1, 10, 1000]
    )
    func order(seed: UInt64, spread: Int) {
        var random = SeededGenerator(seed)
        let queue = DeadlineQueue<Int>()
        let deadlines = (0..<500).map {
            min(2 * $0 * (1000 - spread) / 1000 + .random(in: 0..<spread, using: &random), 999)
        }
        for deadline in deadlines { queue.insert(deadline, at: self.start + .milliseconds(deadline)) }
        var taken: [Int] = []
        for now in stride(from: -1, to: 1001, by: 50) {
            let due = queue.due(at: self.start + .milliseconds(now))
            #expect(due.allSatisfy { $0 <= now && $0 > now - 50 })
            taken += due
        }
        #expect(taken == deadlines.sorted())
    }

    @Test("while it runs, it reports what comes in at any time, the nearer first, and stops when it is cancelled")
    func run() async throws {
        let queue = DeadlineQueue<String>()
        let reports = Mailbox<[String]>()
        let task = Task { await queue.run { reports.send($0) } }
        queue.insert("never", at: .now + .seconds(3600))
        queue.insert("first", at: .now + .milliseconds(50))
        #expect(try await reports.next() == ["first"])
        queue.insert("second", at: .now - .seconds(1))
        #expect(try await reports.next() == ["second"])
        task.cancel()
        await task.value
        #expect(queue.due(at: .now + .seconds(7200)) == ["never"])
    }

    @Test("emptied, it wakes again for the next")
    func emptied() async throws {
        let queue = DeadlineQueue<Int>()
        let reports = Mailbox<[Int]>()
        let task = Task { await queue.run { reports.send($0) } }
        for n in 0..<50 {
            queue.insert(n, at: .now)
            #expect(try await reports.next() == [n])
        }
        task.cancel()
        await task.value
    }

    @Test("an earlier deadline that comes in later is reported in time, however many come")
    func earlier() async throws {
        let queue = DeadlineQueue<Int>()
        let reports = Mailbox<[Int]>()
        let task = Task { await queue.run { reports.send($0) } }
        // Each one is nearer than all before it, and comes in while the one before is slept for.
        let start = ContinuousClock.now
        for n in (1...20).reversed() {
            queue.insert(n, at: start + .seconds(n == 1 ? 0.3 : Double(n) * 600))
            for _ in 0..<Int.random(in: 0..<5) { await Task.yield() }
        }
        #expect(try await reports.next() == [1])
        let taken = ContinuousClock.now - start
        #expect(taken >= .seconds(0.3) && taken < .seconds(30))

        // Also while it doesn't sleep for any.
        queue.insert(0, at: .now + .milliseconds(1))
        #expect(try await reports.next() == [0])
        task.cancel()
        await task.value
    }

    @Test("nothing is reported before its time")
    func notBefore() async throws {
        let queue = DeadlineQueue<ContinuousClock.Instant>(spacing: .milliseconds(1))
        let reports = Mailbox<Bool>()
        let task = Task {
            await queue.run { due in
                let now = ContinuousClock.now
                for deadline in due { reports.send(deadline <= now) }
            }
        }
        for _ in 0..<300 {
            let deadline = ContinuousClock.now + .milliseconds(Int.random(in: 0..<300))
            queue.insert(deadline, at: deadline)
        }
        for _ in 0..<300 { #expect(try await reports.next()) }
        task.cancel()
        await task.value
    }

    @Test("deadlines that come one after the other are reported together")
    func spacing() async throws {
        let queue = DeadlineQueue<Int>(spacing: .seconds(1))
        let reports = Mailbox<[Int]>()
        let task = Task { await queue.run { reports.send($0) } }
        let start = ContinuousClock.now
        queue.insert(0, at: start)
        #expect(try await reports.next() == [0])
        for n in 1...5 { queue.insert(n, at: start + .milliseconds(n)) }
        #expect(try await reports.next() == [1, 2, 3, 4, 5])
        #expect(ContinuousClock.now - start >= .seconds(1))
        task.cancel()
        await task.value
    }

    @Test("cancellation ends it at once, while it sleeps for ever or until a far deadline", arguments: [false, true])
    func cancellation(isEmpty: Bool) async throws {
        let queue = DeadlineQueue<Int>()
        if !isEmpty { queue.insert(1, at: .now + .seconds(3600)) }
        let task = Task { await queue.run { _ in Issue.record("nothing is due") } }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        await task.value
    }
}
