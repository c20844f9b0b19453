import DequeModule

/// The place below which nothing is queued any more, as far as one claimer knows.
///
/// A claim tells how far the queue has been emptied; but an enqueue that is under way may yet commit places below that.
/// So a claim starts from what was known a moment ago, every half second from what was known 3 s ago, and every ten
/// seconds from 40 s ago: what slipped through is found, and yet most claims step over little.
struct LowWaterMark {
    private struct Sample {
        let at: ContinuousClock.Instant
        let place: Int64
    }

    private static let spacing = Duration.milliseconds(100)
    /// At rest a sample would be half of all that is asked.
    private static let quietSpacing = Duration.seconds(3)
    private static let looks: [(back: Duration, every: Duration)] = [
        (.seconds(40), .seconds(10)), (.seconds(3), .milliseconds(500)),
    ]
    private static let usual = Duration.milliseconds(250)

    private var samples: Deque<Sample> = []
    private var lastLooks: [ContinuousClock.Instant?] = Array(repeating: nil, count: looks.count)

    /// Whether it is time to note something again.
    func isSampleDue(at now: ContinuousClock.Instant, isQuiet: Bool = false) -> Bool {
        self.samples.last.map { now - $0.at >= (isQuiet ? Self.quietSpacing : Self.spacing) } ?? true
    }

    /// Notes that, as of now, everything queued below `place` has been taken.
    mutating func note(emptiedBelow place: Int64, at now: ContinuousClock.Instant) {
        guard self.isSampleDue(at: now) else { return }
        self.samples.append(Sample(at: now, place: place))
        while let first = self.samples.first, now - first.at > .seconds(60) { self.samples.removeFirst() }
    }

    /// Where the next claim starts.
    mutating func place(at now: ContinuousClock.Instant) -> Int64 {
        var back = Self.usual
        for (index, look) in Self.looks.enumerated() {
            if let last = self.lastLooks[index], now - last < look.every { continue }
            self.lastLooks[index] = now
            back = max(back, look.back)
        }
        return self.place(asOf: now - back)
    }

    /// Where a search starts that must find everything which may still be queued: from what was known 40 s ago.
    func deepPlace(at now: ContinuousClock.Instant) -> Int64 {
        self.place(asOf: now - .seconds(40))
    }

    private func place(asOf instant: ContinuousClock.Instant) -> Int64 {
        self.samples.last { $0.at <= instant }?.place ?? 0
    }
}
