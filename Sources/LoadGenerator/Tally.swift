import Histogram

/// Counts what becomes of calls.
struct Tally {
    /// An hour: no call takes longer.
    private static let longest: UInt64 = 3_600_000_000_000

    private(set) var result = LoadResult()
    private var latencies = Histogram<UInt64>(
        highestTrackableValue: Tally.longest,
        numberOfSignificantValueDigits: .three
    )
    private var answeredInTime = 0

    enum Fate {
        case answered(after: UInt64, inTime: Bool)
        case wrong
        case refused(Int)
        case failed
        case unanswered
    }

    mutating func count(_ fate: Fate) {
        self.result.sent += 1
        switch fate {
        case .answered(let time, let isInTime):
            self.result.answered += 1
            self.latencies.record(min(time, Self.longest))
            if isInTime { self.answeredInTime += 1 }
        case .wrong: self.result.wrong += 1
        case .refused(let status): self.result.refused[status, default: 0] += 1
        case .failed: self.result.failed += 1
        case .unanswered: self.result.unanswered += 1
        }
    }

    /// A call of the warm-up was answered, but only now.
    mutating func countEarlierOne() { self.answeredInTime += 1 }

    mutating func opened() { self.result.connections += 1 }

    mutating func lost() { self.result.connectionsLost += 1 }

    /// The whole, after so many nanoseconds of measurement.
    func result(after time: UInt64, idleConnections: Int) -> LoadResult {
        var result = self.result
        result.idleConnections = idleConnections
        result.seconds = Double(time) / 1e9
        result.rate = time > 0 ? Double(self.answeredInTime) / result.seconds : 0
        guard result.answered > 0 else { return result }
        func milliseconds(_ percentile: Double) -> Double {
            Double(self.latencies.valueAtPercentile(percentile)) / 1e6
        }
        result.latency = LoadResult.Latency(
            min: Double(self.latencies.min) / 1e6,
            mean: self.latencies.mean / 1e6,
            p50: milliseconds(50),
            p90: milliseconds(90),
            p99: milliseconds(99),
            p999: milliseconds(99.9),
            max: Double(self.latencies.max) / 1e6
        )
        return result
    }
}
