import Logging
import PostgresClient
import Synchronization

/// The server's processes whose notifications are taken at their word: those of logins that may answer events or claim them.
///
/// PostgreSQL has no privilege for `NOTIFY`: any login of the database can send one. But the server itself tells which of its
/// processes did. What another one says is looked up, since a session may be new, or have ended.
final class Senders: Sendable {
    private struct State {
        var known: Set<Int32> = []
        var lookedAt: ContinuousClock.Instant?
        var hasHeardStranger = false
        var isFailing = false
    }

    /// After this a process's number may be another's.
    private static let validity = Duration.seconds(30)
    /// A worker at rest looks but once a second.
    private static let refresh = Duration.seconds(15)
    /// Between two looks, however many strangers there are.
    private static let pause = Duration.milliseconds(100)

    private let state = Mutex(State())

    /// The connection is another: nobody is known.
    func forget() { self.state.withLock { $0 = State() } }

    /// Whether this process's word is taken.
    func knows(_ process: Int32, at now: ContinuousClock.Instant = .now) -> Bool {
        self.state.withLock { state in
            if let lookedAt = state.lookedAt, now - lookedAt < Self.validity, state.known.contains(process) {
                return true
            }
            state.hasHeardStranger = true
            return false
        }
    }

    /// Asks who they are, if it is time to.
    ///
    /// To be called after a trip, not before: on a new connection the work that waits comes first. Where it fails nobody is
    /// known until it is time again, and the log says it once.
    func look(on connection: isolated PostgresConnection, _ logger: Logger) {
        let now = ContinuousClock.now
        guard self.isLookDue(at: now) else { return }
        do throws(PostgresError) {
            self.looked(try connection.execute(PostgresCall(Statements.senders)).integers(0, 0), at: now)
        } catch {
            let isNews = self.failed(at: now)
            guard isNews, connection.isOpen else { return }
            logger.warning("can't tell who sends notifications, asking again", metadata: ["error": "\(error)"])
        }
    }

    /// Whether it is time to ask who they are.
    func isLookDue(at now: ContinuousClock.Instant) -> Bool {
        self.state.withLock { state in
            guard let lookedAt = state.lookedAt else { return true }
            return now - lookedAt >= (state.hasHeardStranger ? Self.pause : Self.refresh)
        }
    }

    func looked(_ processes: [Int32], at now: ContinuousClock.Instant) {
        self.state.withLock { $0 = State(known: Set(processes), lookedAt: now) }
    }

    /// - Returns: whether the look before had not failed.
    func failed(at now: ContinuousClock.Instant) -> Bool {
        self.state.withLock { state in
            defer { state = State(lookedAt: now, isFailing: true) }
            return !state.isFailing
        }
    }
}
