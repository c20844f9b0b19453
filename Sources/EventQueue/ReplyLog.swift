import Synchronization

/// The replies that were written, until the database has been told: for those who look at an event's life.
///
/// Nothing hangs on it, so it is bounded, and what is over is left out.
final class ReplyLog: Sendable {
    struct Entry: Sendable {
        let id: EventID
        let status: Int
        let at: ContinuousClock.Instant
    }

    /// More than an ingress writes in a few seconds.
    static let most = 20_000
    /// One statement tells so many: it says how long ago they were, and the longer it is the more time has passed when the
    /// database reads that (measured: 2 to 3 ms for 4,500).
    static let mostAtOnce = 500

    private let entries = Mutex<[Entry]>([])

    func note(_ id: EventID, status: Int) {
        let entry = Entry(id: id, status: status, at: .now)
        self.entries.withLock { entries in
            if entries.count < Self.most { entries.append(entry) }
        }
    }

    func take() -> [Entry] {
        self.entries.withLock { entries in
            defer { entries = [] }
            return entries
        }
    }
}
