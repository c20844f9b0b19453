import DequeModule

/// The place below which nothing is queued any more, as far as one claimer knows.
///
/// A claim tells how far the queue has been emptied; but an enqueue that is under way may yet commit places below that.
/// So a claim starts from what was known a moment ago, every half second from what was known 3 s ago, every ten seconds from
/// 10 s ago, which is longer than an enqueue of an ingress may take, and every minute from 40 s ago: what slipped through is
/// found, and yet most claims step over little. (Of all that was claimed since the index keeps an entry until it is
/// vacuumed: measured at 4,500 events a second, a claim from 40 s ago took 20 to 40 ms.) While an old snapshot keeps all that
/// was claimed since, such a look takes long, and comes as much more rarely.
struct LowWaterMark {
    private struct Sample {
        let at: ContinuousClock.Instant
        let place: Int64
    }

    private static let spacing = Duration.milliseconds(25)
    /// In quiet times a sample would be half of all that is asked, and at rest there is nothing to learn.
    private static let quietSpacing = Duration.seconds(3)
    private static let restingSpacing = Duration.seconds(20)
    /// What has not been found from so far back is not there.
    private static let deep = Duration.seconds(40)
    private static let recent = Duration.seconds(3)
    private static let looks: [(back: Duration, every: Duration)] = [
        (deep, .seconds(60)), (.seconds(10), .seconds(10)), (recent, .milliseconds(500)),
    ]
    private static let usual = Duration.milliseconds(100)
    /// Looks take a two-hundredth of the time at most: the calls that wait for one are too few to count.
    private static let lookRest = 200

    private var samples: Deque<Sample> = []
    private var nextLooks: [ContinuousClock.Instant?] = Array(repeating: nil, count: looks.count)
    /// Which of the looks is under way.
    private var look: Int?

    /// Whether it is time to ask how far places have been given out: a claim that finds nothing doesn't say.
    func isSampleDue(at now: ContinuousClock.Instant, isQuiet: Bool) -> Bool {
        let spacing = !isQuiet ? Self.usual : self.isAtRest(at: now) ? Self.restingSpacing : Self.quietSpacing
        return self.samples.last.map { now - $0.at >= spacing } ?? true
    }

    /// Whether nothing has been queued for 40 s, as far as the samples tell.
    func isAtRest(at now: ContinuousClock.Instant) -> Bool {
        guard let last = self.samples.last else { return false }
        return self.sample(asOf: now - Self.deep)?.place == last.place
    }

    /// Notes that, as of now, everything queued below `place` has been taken.
    mutating func note(emptiedBelow place: Int64, at now: ContinuousClock.Instant) {
        if let last = self.samples.last, now - last.at < Self.spacing { return }
        self.samples.append(Sample(at: now, place: place))
        while let first = self.samples.first, now - first.at > .seconds(60) { self.samples.removeFirst() }
    }

    /// Where the next claim starts.
    mutating func place(at now: ContinuousClock.Instant) -> Int64 {
        var back = Self.usual
        self.look = nil
        for (index, look) in Self.looks.enumerated() {
            if let next = self.nextLooks[index], now < next { continue }
            self.nextLooks[index] = now + look.every
            back = max(back, look.back)
            self.look = self.look ?? index
        }
        return self.place(asOf: now - back)
    }

    /// What started at the last `place(at:)` took so long, by now.
    mutating func took(_ duration: Duration, at now: ContinuousClock.Instant) {
        guard let look else { return }
        self.nextLooks[look] = max(self.nextLooks[look] ?? now, now + duration * Self.lookRest)
    }

    /// Where housekeeping's search starts, which is for what nobody waits for any more: from what was known 3 s ago.
    func recentPlace(at now: ContinuousClock.Instant) -> Int64 {
        self.place(asOf: now - Self.recent)
    }

    private func place(asOf instant: ContinuousClock.Instant) -> Int64 {
        self.sample(asOf: instant)?.place ?? 0
    }

    private func sample(asOf instant: ContinuousClock.Instant) -> Sample? {
        self.samples.last { $0.at <= instant }
    }
}
