import EventQueue
import HaptikWebhook
import RejoinderWorker

/// One run of a handler against the clock, as a worker does it.
struct AttemptRun: Sendable {
    struct End: Sendable {
        /// Nil: the caller has hung up.
        let outcome: AttemptOutcome?
        let duration: Duration
        let heedsCancellation: Bool
    }

    private enum Happening: Sendable {
        case returned(AttemptOutcome, at: ContinuousClock.Instant)
        /// The handler is cut off: at its deadline, its time limit, or since the caller has hung up.
        case cutOff(AttemptOutcome?)
        /// The handler had its time to heed its cancellation.
        case patienceOver
    }

    let handle: Handle
    let body: [UInt8]
    let context: HandlerContext
    let hangsUp: ContinuousClock.Instant?

    /// Runs the handler; the caller hangs up when the test's own task is cancelled.
    func end() async -> End {
        let (happenings, continuation) = AsyncStream<Happening>.makeStream()
        return await withTaskCancellationHandler {
            // A task of its own, which sees the handler end after the test's task was cancelled.
            await Task { await self.race(happenings, continuation) }.value
        } onCancel: {
            continuation.yield(.cutOff(nil))
        }
    }

    private func race(
        _ happenings: AsyncStream<Happening>,
        _ continuation: AsyncStream<Happening>.Continuation
    ) async -> End {
        let start = ContinuousClock.now
        // Left behind when its handler ignores its cancellation. One that blocks its thread blocks no timer, as in a worker.
        let handler = Task(executorPreference: HandlerThread()) {
            let outcome = await self.handle.attempt(at: self.body, context: self.context)
            continuation.yield(.returned(outcome, at: .now))
        }
        let (instant, outcome) = self.limit(from: start)
        let limit = Self.timer(instant, .cutOff(outcome), continuation)
        defer { limit.cancel() }
        var cutOff: AttemptOutcome??
        for await happening in happenings {
            switch happening {
            case .returned(let answer, let end):
                if cutOff == nil, end > instant { cutOff = .some(outcome) }
                return End(outcome: cutOff ?? answer, duration: end - start, heedsCancellation: true)
            case .cutOff(let outcome):
                guard cutOff == nil else { continue }
                cutOff = .some(outcome)
                handler.cancel()
                _ = Self.timer(.now + Handle.patience, .patienceOver, continuation)
            case .patienceOver:
                return End(outcome: cutOff ?? .expired, duration: .now - start, heedsCancellation: false)
            }
        }
        return End(outcome: .expired, duration: .now - start, heedsCancellation: false)
    }

    /// When the handler is cut off if it doesn't return before, and what becomes of the attempt then.
    private func limit(from start: ContinuousClock.Instant) -> (ContinuousClock.Instant, AttemptOutcome?) {
        var limit: (ContinuousClock.Instant, AttemptOutcome?) = (self.context.deadline, .expired)
        if let own = self.handle.options.timeLimit, start + own < limit.0 { limit = (start + own, .overTimeLimit) }
        if let hangsUp, hangsUp < limit.0 { limit = (hangsUp, nil) }
        return limit
    }

    private static func timer(
        _ instant: ContinuousClock.Instant,
        _ happening: Happening,
        _ continuation: AsyncStream<Happening>.Continuation
    ) -> Task<Void, Never> {
        Task {
            do {
                try await Task.sleep(until: instant, clock: .continuous)
                continuation.yield(happening)
            } catch {
                // Cancelled: the handler was faster.
            }
        }
    }
}
