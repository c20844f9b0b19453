/// How fast a node's handler is: whether its attempts may start on the queue's own thread.
///
/// Starting a task elsewhere and hearing of its end costs two wake-ups of a thread, several times the work of a handler
/// that only computes. So a handler that has been quick of late is started where its claim arrives. One that then holds
/// the thread up is not, for a while: the queue's thread must not be blocked by a handler's work.
struct Pace: Sendable {
    /// Quick is what takes less than this on average, from its start to its end.
    private static let quick = Duration.microseconds(500)
    /// A single attempt counts for no more than this: on a busy machine, now and then, even a quick one is interrupted.
    private static let most = Duration.milliseconds(10)
    /// Holding up the queue's thread for longer than this counts against it: so long nobody is interrupted.
    private static let tooLong = Duration.milliseconds(20)
    private static let penalty = Duration.seconds(2)

    private var average = most
    private var elsewhereUntil: ContinuousClock.Instant?

    /// Whether the next attempt may start on the queue's thread.
    func startsHere(at now: ContinuousClock.Instant) -> Bool {
        self.average < Self.quick && self.elsewhereUntil.map { now >= $0 } ?? true
    }

    /// An attempt has ended.
    mutating func took(_ duration: Duration) {
        self.average = (self.average * 7 + min(duration, Self.most)) / 8
    }

    /// An attempt that started on the queue's thread has let go of it.
    mutating func heldThread(for duration: Duration, at now: ContinuousClock.Instant) {
        if duration > Self.tooLong { self.elsewhereUntil = now + Self.penalty }
    }
}
