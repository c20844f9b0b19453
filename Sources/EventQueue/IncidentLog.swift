import Synchronization

/// What goes wrong in a process beside the events, and is counted for those who look.
///
/// That a process died is counted by the database, which finds it out.
package enum Incident: Sendable, Hashable {
    /// A caller got no answer: the problem's code, and the node where that is known.
    case call(code: String, node: String?)
    /// A connection to the database broke.
    case connectionLost

    /// As `rejoinder.incident` has it.
    var about: String {
        switch self {
        case .call: "call"
        case .connectionLost: "database"
        }
    }

    /// As `rejoinder.incident` has it.
    var code: String {
        switch self {
        case .call(let code, _): code
        case .connectionLost: "connection_lost"
        }
    }

    /// As `rejoinder.incident` has it.
    var node: String { if case .call(_, let node?) = self { node } else { "" } }
}

/// Incidents, until the database has been told; while it is away too.
package final class IncidentLog: Sendable {
    struct Entry: Sendable {
        let incident: Incident
        var number: Int
        /// Of the last of them.
        var at: ContinuousClock.Instant
    }

    /// More kinds than there are, for an hour without the database.
    static let most = 2000

    private struct Key: Hashable {
        let incident: Incident
        /// The minute since the log began.
        let minute: Int64
    }

    private let began = ContinuousClock.now
    private let entries = Mutex<[Key: Entry]>([:])

    package func note(_ incident: Incident, _ number: Int = 1, at now: ContinuousClock.Instant = .now) {
        guard number > 0 else { return }
        let key = Key(incident: incident, minute: (now - self.began).components.seconds / 60)
        self.entries.withLock { entries in
            if entries[key]?.note(number, now) == nil, entries.count < Self.most {
                entries[key] = Entry(incident: incident, number: number, at: now)
            }
        }
    }

    func take() -> [Entry] {
        self.entries.withLock { entries in
            guard !entries.isEmpty else { return [] }
            defer { entries = [:] }
            return Array(entries.values)
        }
    }

    /// The database could not be told.
    func putBack(_ taken: [Entry]) {
        for entry in taken { self.note(entry.incident, entry.number, at: entry.at) }
    }
}

extension IncidentLog.Entry {
    fileprivate mutating func note(_ number: Int, _ now: ContinuousClock.Instant) {
        self.number += number
        self.at = max(self.at, now)
    }
}
