import RejoinderTesting
import RejoinderWorker
import Synchronization
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("handlers are cut off as in a worker", .timeLimit(.minutes(1)))
final class CancellationTests: Sendable {
    private let cancelled = Mutex(0)

    /// Waits until it is cancelled.
    private func waiting(timeLimit: Duration? = nil) -> Handle {
        Handle("slow", attempts: 2, timeLimit: timeLimit) { _, _ in
            do {
                try await Task.sleep(for: .seconds(60))
            } catch {
                self.count()
                throw error
            }
            return .success("too late")
        }
    }

    private func count() { self.cancelled.withLock { $0 += 1 } }

    @Test("at the deadline, and not tried again")
    func deadline() async {
        let handlers = Handlers { self.waiting() }
        var test = HandlerTest(handlers)
        test.timeLeft = .milliseconds(50)
        let result = await test.result(of: .sample(node: "slow"))
        #expect(result.botBreak?.code == .noReply)
        #expect(result.status == 504)
        #expect(result.attempts.map(\.failure) == ["no_reply"])
        #expect(result.attempts.map(\.heedsCancellation) == [true])
        #expect(self.cancelled.withLock { $0 } == 1)
    }

    @Test("at the deadline though it blocks its thread, also where more do than there are cores")
    func blocking() async {
        let handlers = Handlers {
            Handle("blocks") { _, _ in
                usleep(200_000)
                return .success("too late")
            }
        }
        var test = HandlerTest(handlers)
        test.timeLeft = .milliseconds(50)
        let codes = await withTaskGroup(of: BotBreak.Code?.self) { group in
            for _ in 0..<8 { group.addTask { [test] in await test.result(of: .sample(node: "blocks")).botBreak?.code } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes == Array(repeating: .noReply, count: 8))
    }

    @Test("at the handler's own limit, and tried again")
    func timeLimit() async {
        let result = await HandlerTest(Handlers { self.waiting(timeLimit: .milliseconds(50)) })
            .result(of: .sample(node: "slow"))
        #expect(result.botBreak?.code == .handlerFailed)
        #expect(result.attempts.map(\.failure) == ["time_limit", "time_limit"])
        #expect(self.cancelled.withLock { $0 } == 2)
    }

    @Test("when the caller hangs up, also by the end of the test's own task")
    func hangUp() async {
        var test = HandlerTest(Handlers { self.waiting() })
        test.hangsUpAfter = .milliseconds(50)
        let result = await test.result(of: .sample(node: "slow"))
        #expect(result.botBreak?.code == .hungUp)
        #expect(result.attempts.count == 1)

        let patient = HandlerTest(Handlers { self.waiting() })
        let task = Task { await patient.result(of: .sample(node: "slow")) }
        task.cancel()
        let ended = await task.value
        #expect(ended.botBreak?.code == .hungUp)
        #expect(ended.attempts.map(\.heedsCancellation) == [true])
    }

    @Test("a handler that ignores it is found out, and its late reply is not used")
    func stubborn() async {
        let (gate, opens) = AsyncStream<Void>.makeStream()
        let handle = Handle("stubborn") { _, _ in
            await Task { for await _ in gate {} }.value
            return .success("too late")
        }
        var test = HandlerTest(Handlers { handle })
        test.timeLeft = .milliseconds(50)
        let result = await test.result(of: .sample(node: "stubborn"))
        opens.finish()
        #expect(result.botBreak?.code == .noReply)
        #expect(result.attempts.map(\.heedsCancellation) == [false])
    }
}
