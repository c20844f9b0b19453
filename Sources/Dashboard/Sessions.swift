import Crypto
import Synchronization

/// Who has signed in: in memory, so that a restart signs everybody out.
final class Sessions: Sendable {
    struct Session: Sendable {
        /// Names the session, in its cookie.
        let id: String
        /// What each form of the session carries.
        let formToken: String
        /// What the operator calls themselves, for the audit log.
        let name: String
        var expires: ContinuousClock.Instant
        /// Shown on the next page, once.
        var notice: Notice?
    }

    struct Notice: Sendable {
        let text: String
        var isError = false
    }

    enum SignIn: Sendable {
        case done(Session)
        case wrong
        /// After several wrong tries nobody may try for a while.
        case tooSoon(Duration)
    }

    static let lifetime = Duration.seconds(8 * 3600)
    private static let most = 100
    /// So many wrong tries cost nothing.
    private static let free = 3

    private struct State {
        var sessions: [String: Session] = [:]
        var wrongTries = 0
        var nextTry: ContinuousClock.Instant?
    }

    private let token: SymmetricKey
    private let state = Mutex(State())

    init(token: String) {
        self.token = SymmetricKey(data: Array(token.utf8))
    }

    func signIn(token: String, name: String, at now: ContinuousClock.Instant = .now) -> SignIn {
        let isRight = self.isRight(token)
        return self.state.withLock { state in
            if let nextTry = state.nextTry, now < nextTry { return .tooSoon(nextTry - now) }
            guard isRight else {
                state.wrongTries += 1
                if state.wrongTries >= Self.free {
                    state.nextTry = now + .seconds(min(30, 1 << min(5, state.wrongTries - Self.free)))
                }
                return .wrong
            }
            (state.wrongTries, state.nextTry) = (0, nil)
            state.sessions = state.sessions.filter { $0.value.expires > now }
            if state.sessions.count >= Self.most,
                let oldest = state.sessions.min(by: { $0.value.expires < $1.value.expires })
            {
                state.sessions[oldest.key] = nil
            }
            let session = Session(
                id: Self.random(),
                formToken: Self.random(),
                name: name,
                expires: now + Self.lifetime
            )
            state.sessions[session.id] = session
            return .done(session)
        }
    }

    func session(_ id: String, at now: ContinuousClock.Instant = .now) -> Session? {
        self.state.withLock { state in
            guard let session = state.sessions[id], session.expires > now else { return nil }
            return session
        }
    }

    func signOut(_ id: String) {
        self.state.withLock { $0.sessions[id] = nil }
    }

    /// For the session's next page.
    func leave(_ notice: Notice, for id: String) {
        self.state.withLock { $0.sessions[id]?.notice = notice }
    }

    /// What was left for this page.
    func takeNotice(for id: String) -> Notice? {
        self.state.withLock { $0.sessions[id]?.notice.take() }
    }

    /// In a time that does not depend on where they differ: their digests under a key are compared.
    private func isRight(_ text: String) -> Bool {
        let wanted = self.token.withUnsafeBytes { HMAC<SHA256>.authenticationCode(for: Array($0), using: self.token) }
        return HMAC<SHA256>.isValidAuthenticationCode(wanted, authenticating: Array(text.utf8), using: self.token)
    }

    /// 256 bits of the system's generator, in hexadecimal.
    private static func random() -> String {
        SymmetricKey(size: .bits256).withUnsafeBytes { bytes in
            bytes.reduce(into: "") { $0 += String($1 >> 4, radix: 16) + String($1 & 15, radix: 16) }
        }
    }
}

extension String {
    /// Whether both are the same, in a time that does not depend on where they differ.
    func isSame(as other: String) -> Bool {
        let (mine, theirs) = (Array(self.utf8), Array(other.utf8))
        guard mine.count == theirs.count else { return false }
        return zip(mine, theirs).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
