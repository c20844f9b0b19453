/// Calls per second by outcome, a bar for each minute of the last hour: what its template shows.
struct CallsChart: Sendable {
    static let outcomes = ["answered", "failed", "expired", "cancelled", "refused"]
    static let height = 100.0

    struct Bar: Sendable {
        let x: String
        let y: String
        let height: String
        let outcome: String
    }

    struct Legend: Sendable {
        let outcome: String
        let calls: String
        let share: String
    }

    let bars: [Bar]
    let legend: [Legend]
    let top: String
    let hasCalls: Bool
    let isSampled: Bool
    let isReading: Bool
    /// The same in words.
    let summary: String

    init(_ hour: Hour, at now: Int64) {
        let current = Int(now / 60_000)
        let total = hour.total
        let rates = (0...Hour.length).map { Self.rates(hour, current - Hour.length + $0) }
        let highest = rates.map { $0.reduce(0, +) }.max() ?? 0
        let top = Self.roundedUp(highest)
        self.bars = rates.enumerated().flatMap { index, rates in Self.stack(rates, at: index, top: top) }
        self.legend = Self.outcomes.map { outcome in
            let calls = total.states[outcome] ?? 0
            return Legend(
                outcome: outcome,
                calls: Figure.count(calls),
                share: Figure.share(calls, of: total.calls)
            )
        }
        self.top = Figure.rate(top)
        self.hasCalls = total.calls > 0
        self.isSampled = total.isSampled
        self.isReading = !hour.isComplete(at: now)
        self.summary =
            "Calls per second by minute, the last hour: at most \(Figure.rate(highest)). "
            + self.legend.map { "\($0.outcome): \($0.calls), \($0.share)" }.joined(separator: "; ") + "."
    }

    private static func rates(_ hour: Hour, _ minute: Int) -> [Double] {
        // The minute under way counts for as long as it had lasted when it was read; of its beginning there is too little.
        guard let read = hour.minutes[minute] else { return self.outcomes.map { _ in 0 } }
        let seconds = min(60, Double(read.readAt - Int64(minute) * 60_000) / 1000)
        return self.outcomes.map { seconds < 10 ? 0 : Double(read.states[$0] ?? 0) / seconds }
    }

    private static func stack(_ rates: [Double], at index: Int, top: Double) -> [Bar] {
        var bars: [Bar] = []
        var base = self.height
        for (outcome, rate) in zip(self.outcomes, rates) where rate > 0 {
            // What there is little of is seen all the same.
            let height = max(outcome == "answered" ? 0 : 2, rate / top * self.height)
            base -= height
            bars.append(
                Bar(
                    x: "\(index * 10 + 1)",
                    y: Figure.decimal(max(0, base), 2),
                    height: Figure.decimal(height, 2),
                    outcome: outcome
                )
            )
        }
        return bars
    }

    /// The next of 1, 2, 5, 10 and so on.
    static func roundedUp(_ value: Double) -> Double {
        var step = 0.1
        while true {
            for factor in [1.0, 2, 5] where step * factor >= value { return step * factor }
            step *= 10
        }
    }
}
