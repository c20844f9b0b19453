import PostgresClient

/// How fast a node's handler is: whether its attempts may start on the thread of the queue's connection.
///
/// One that has been quick of late may, and one that then holds the thread up may not, for a while.
struct Pace: Sendable {
    /// Quick is what takes less than this on average, from its start to its end.
    private static let quick = Duration.microseconds(500)
    /// A single attempt counts for no more than this: on a busy machine, now and then, even a quick one is interrupted.
    private static let most = Duration.milliseconds(10)
    private static let penalty = Duration.seconds(2)

    private var average = most
    private var elsewhereUntil: ContinuousClock.Instant?

    /// Whether the next attempt may start on the connection's thread.
    func isQuick(at now: ContinuousClock.Instant) -> Bool {
        self.average < Self.quick && self.elsewhereUntil.map { now >= $0 } ?? true
    }

    /// An attempt has ended.
    mutating func took(_ duration: Duration) {
        self.average = (self.average * 7 + min(duration, Self.most)) / 8
    }

    /// An attempt that started on the connection's thread has let go of it.
    mutating func heldThread(for duration: Duration, at now: ContinuousClock.Instant) {
        if duration > ConnectionThread.patience { self.elsewhereUntil = now + Self.penalty }
    }
}
