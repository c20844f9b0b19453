import DequeModule

/// Where the queue had been emptied to, as time went on.
struct EmptiedPlaces {
    private struct Sample {
        let at: ContinuousClock.Instant
        let place: Int64
    }

    private static let kept = Duration.seconds(60)
    private static let rest = Duration.seconds(40)

    private var samples: Deque<Sample> = []

    /// How long ago the last place was noted; nil where none is.
    func age(at now: ContinuousClock.Instant) -> Duration? { self.samples.last.map { now - $0.at } }

    /// Whether nothing has been queued for 40 s, as far as the samples tell.
    func isAtRest(at now: ContinuousClock.Instant) -> Bool {
        guard let last = self.samples.last else { return false }
        return self.sample(asOf: now - Self.rest)?.place == last.place
    }

    /// Notes that, as of now, everything queued below `place` has been taken.
    mutating func note(_ place: Int64, at now: ContinuousClock.Instant) {
        self.samples.append(Sample(at: now, place: place))
        while self.samples.count > 1, now - self.samples[1].at > Self.kept { self.samples.removeFirst() }
    }

    /// What was known at an instant, up to a minute ago; 0 where nothing was.
    func place(asOf instant: ContinuousClock.Instant) -> Int64 { self.sample(asOf: instant)?.place ?? 0 }

    private func sample(asOf instant: ContinuousClock.Instant) -> Sample? {
        var (start, end) = (0, self.samples.count)
        while start < end {
            let middle = (start + end) / 2
            if self.samples[middle].at <= instant { start = middle + 1 } else { end = middle }
        }
        return start == 0 ? nil : self.samples[start - 1]
    }
}
