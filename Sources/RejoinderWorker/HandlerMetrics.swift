import CoreMetrics
import EventQueue
import RejoinderMetrics

/// What is measured of handlers.
final class HandlerMetrics: Sendable {
    /// By node, and then by outcome.
    private let times = NodeSeries { node in Series<String, Timer> { Timer(.handlerDuration, node, $0) } }

    private let overruns = NodeSeries { Meter(.slotsOverrun, $0) }

    /// A handler ignores its cancellation, and keeps its slot.
    func overran(_ claim: Claim) { self.overruns[claim.node].increment() }

    /// It has returned after all.
    func overrunEnded(_ claim: Claim) { self.overruns[claim.node].decrement() }

    /// A handler has returned or thrown.
    func ended(_ claim: Claim, _ outcome: AttemptOutcome, since start: ContinuousClock.Instant) {
        self.times[claim.node][Self.name(of: outcome)].record(since: start)
    }

    /// `late` where nobody waited for it any more: it was cancelled, at its deadline, its time limit or by its caller.
    private static func name(of outcome: AttemptOutcome) -> String {
        if Task.isCancelled { return "late" }
        switch outcome {
        case .answered: return "answered"
        case .failed(let code, _), .retry(let code, _): return code
        case .expired: return "late"
        }
    }
}
