import CoreMetrics
import Synchronization

/// Counts values in buckets, and adds them up; times in seconds.
final class PrometheusHistogram: RecorderHandler, TimerHandler {
    struct Snapshot: Sendable {
        /// Of each bucket alone; the last one is that of the values above all bounds.
        var counts: [UInt64]
        var sum = 0.0
    }

    let bounds: [Double]
    private let state: Mutex<Snapshot>

    /// - Parameter bounds: ascending; a value on a bound is in its bucket.
    init(bounds: [Double]) {
        self.bounds = bounds
        self.state = Mutex(Snapshot(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    var snapshot: Snapshot { self.state.withLock { $0 } }

    func record(_ value: Int64) { self.record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = self.bounds.firstIndex { value <= $0 } ?? self.bounds.count
        self.state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { self.record(Double(duration) / 1e9) }
}
