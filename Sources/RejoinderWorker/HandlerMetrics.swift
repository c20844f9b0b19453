import CoreMetrics
import EventQueue
import RejoinderMetrics

/// What is measured of handlers.
final class HandlerMetrics: Sendable {
    private struct Kind: Hashable {
        let node: String
        let outcome: String
    }

    private let times = Series<Kind, Timer> { Timer(.handlerDuration, $0.node, $0.outcome) }

    /// A handler has returned or thrown.
    func ended(_ claim: Claim, _ outcome: AttemptOutcome, since start: ContinuousClock.Instant) {
        let node = NodeLabels.shared.label(of: claim.node)
        self.times[Kind(node: node, outcome: Self.name(of: outcome))].record(since: start)
    }

    /// `late` where nobody waited for it any more: it was cancelled, at its deadline, its time limit or by its caller.
    private static func name(of outcome: AttemptOutcome) -> String {
        if Task.isCancelled { return "late" }
        switch outcome {
        case .answered: return "answered"
        case .failed(let code, _), .retry(let code, _): return code
        case .expired: return "late"
        case .released: return "released"
        }
    }
}
