/// When the queue's table is vacuumed: what went through it leaves its rows behind.
///
/// Autovacuum comes once a minute at most, in which 7,000 events a second leave 180 MB behind, all of it written to the disk
/// twice. Vacuumed every second or two, the table stays at some megabytes. (Measured there: half as many pages written by
/// all sessions together, and 1.1 MB of the log less each second.)
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
