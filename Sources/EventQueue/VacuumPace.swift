/// When the queue's table is vacuumed: what went through it leaves its rows behind.
///
/// Autovacuum comes once a minute at most, in which 7,000 events a second leave 150 MB behind, and writes all of that once
/// more. Vacuumed every second or two, the table stays at some megabytes. (Measured, 20 s at saturation and 60 s at 7,000
/// events a second: the sessions wrote 121,000 to 129,000 pages in place of 202,000 to 225,000.)
struct VacuumPace {
    /// So many events leave some four megabytes behind.
    private static let events: Int64 = 10_000
    /// It takes a hundredth of the time at most: while an old snapshot keeps what went through, it reads ever more in vain.
    private static let rest = 100

    /// How far the queue was emptied at the last one.
    private var place: Int64?
    private var next: ContinuousClock.Instant?

    /// Whether it is time for one, now that the queue has been emptied below `place`.
    mutating func isDue(emptiedBelow place: Int64, at now: ContinuousClock.Instant) -> Bool {
        // After a crash of the database, places may be given out a second time.
        guard let last = self.place, last <= place else {
            self.place = place
            return false
        }
        return place - last >= Self.events && self.next.map { now >= $0 } ?? true
    }

    /// Notes one that took so long, by now, when the queue had been emptied below `place`.
    mutating func took(_ duration: Duration, emptiedBelow place: Int64, at now: ContinuousClock.Instant) {
        self.place = place
        self.next = now + duration * Self.rest
    }
}
