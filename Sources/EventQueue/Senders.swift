/// The server's processes whose notifications are taken at their word: those of logins that may answer events or claim them.
///
/// PostgreSQL has no privilege for `NOTIFY`: any login of the database can send one. But the server itself tells which of its
/// processes did. What another one says is looked up, since a session may be new, or have ended.
struct Senders: Sendable {
    /// After this a process's number may be another's.
    private static let validity = Duration.seconds(30)
    /// A worker at rest looks but once a second.
    private static let refresh = Duration.seconds(15)
    /// Between two looks, however many strangers there are.
    private static let pause = Duration.milliseconds(100)

    private var known: Set<Int32> = []
    private var lookedAt: ContinuousClock.Instant?
    private var hasHeardStranger = false

    /// Whether this process's word is taken.
    mutating func knows(_ process: Int32, at now: ContinuousClock.Instant) -> Bool {
        if let lookedAt, now - lookedAt < Self.validity, self.known.contains(process) { return true }
        self.hasHeardStranger = true
        return false
    }

    /// Whether it is time to ask who they are.
    func isLookDue(at now: ContinuousClock.Instant) -> Bool {
        guard let lookedAt = self.lookedAt else { return true }
        return now - lookedAt >= (self.hasHeardStranger ? Self.pause : Self.refresh)
    }

    mutating func looked(_ processes: [Int32], at now: ContinuousClock.Instant) {
        self.known = Set(processes)
        self.lookedAt = now
        self.hasHeardStranger = false
    }
}
