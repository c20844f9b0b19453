import CoreMetrics
import RejoinderMetrics

/// What is measured of the queue's client, in the process.
enum QueueMetrics {
    static let enqueued = Recorder(.batchEvents, "enqueue")
    static let claimed = Recorder(.batchEvents, "claim")
    static let answered = Recorder(.batchEvents, "answer")

    static let databaseUp = Meter(.databaseUp)
    static let recoveries = Counter(.recoveries)
    static let expiries = Counter(.expiries)
    static let cancellations = Series<String, Counter> { Counter(.cancellations, $0) }
    static let retries = NodeSeries { Counter(.retries, $0) }

    static let waitingCalls = Meter(.waitingCalls)
    static let waitingBytes = Meter(.waitingBytes)
    static let slotsBusy = Meter(.slotsBusy)

    /// Makes the handles that every process has, so that what has not happened yet is shown as 0.
    static func begin(_ role: ProcessSession.Role) {
        Meter(.buildInfo, Version.current, role.rawValue).set(1)
        self.databaseUp.set(0)
        _ = (self.recoveries, self.cancellations["ingress_lost"])
        switch role {
        case .ingress:
            _ = (self.enqueued, self.expiries)
            for reason in ["hung_up", "no_worker", "database_away", "operator", "paused"] {
                _ = self.cancellations[reason]
            }
        case .worker: _ = (self.claimed, self.answered)
        }
    }

    /// A wait has ended with this outcome.
    static func ended(with outcome: Outcome) {
        switch outcome {
        // Whoever was the first to see it: the ingress, the worker or the housekeeping.
        case .expired: self.expiries.increment()
        case .abandoned: self.cancellations["hung_up"].increment()
        case .unserved: self.cancellations["no_worker"].increment()
        case .unavailable: self.cancellations["database_away"].increment()
        case .cancelled: self.cancellations["operator"].increment()
        case .paused: self.cancellations["paused"].increment()
        case .answered, .failed, .overloaded, .outOfRoom, .rejected: break
        }
    }
}
