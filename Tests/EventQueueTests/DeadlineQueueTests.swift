import TestSupport
import Testing

@testable import EventQueue

@Suite("The queue of deadlines", .timeLimit(.minutes(3)))
struct DeadlineQueueTests {
    private let start = ContinuousClock.now

    @Test("what is due comes out in the order of the deadlines, each once", arguments: 0..<10 as Range<UInt64>)
    func order(seed: UInt64) {
        var random = SeededGenerator(seed)
        let queue = DeadlineQueue<Int>()
        let deadlines = (0..<500).map { _ in Int.random(in: 0..<1000, using: &random) }
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
}
