import Synchronization

/// Which of the traces that begin here are recorded.
///
/// Either a part of them, or the first of each second: all of a quiet system's, and of a busy one's so many that the calls
/// don't feel it (measured: to trace every call takes a quarter to a third of the throughput).
final class TraceSampler: Sendable {
    static let mostPerSecond = 100

    private let ratio: Double?
    private let second = Mutex<(end: ContinuousClock.Instant, recorded: Int)>((.now, 0))

    /// The part of the traces, from 0 to 1; nil for the first of each second.
    init(ratio: Double?) {
        self.ratio = ratio
    }

    func records(at now: ContinuousClock.Instant = .now) -> Bool {
        if let ratio { return Double.random(in: 0..<1) < ratio }
        return self.second.withLock { second in
            if now >= second.end { second = (now + .seconds(1), 0) }
            guard second.recorded < Self.mostPerSecond else { return false }
            second.recorded += 1
            return true
        }
    }
}
