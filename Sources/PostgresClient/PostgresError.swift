/// What went wrong between us and PostgreSQL.
///
/// `description` is safe to log: it carries the server's primary message and SQLSTATE. The server's detail and hint can
/// quote values (payloads), so they are in `debugDescription` only.
package struct PostgresError: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The kind of failure, stable enough for a metric's label.
    package enum Code: String, Sendable, Hashable {
        /// No connection could be made.
        case connectionFailed
        /// Each transaction has another session there, and a session is needed.
        case transactionPooled
        /// The connection broke: nobody knows whether the statement was carried out.
        case connectionLost
        /// The server did not answer in time; the connection is closed. Nobody knows whether it was carried out.
        case timedOut
        /// The server refused the statement.
        case server
        /// The server's answer has not the shape that was expected.
        case unexpectedResult
    }

    package let code: Code
    package let message: String
    /// Five characters, such as `40001`; only from the server.
    package let sqlState: String?
    /// `ERROR`, `FATAL` or `PANIC`; only from the server.
    package let severity: String?
    package let detail: String?
    package let hint: String?

    package init(
        _ code: Code,
        _ message: String,
        sqlState: String? = nil,
        severity: String? = nil,
        detail: String? = nil,
        hint: String? = nil
    ) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.severity = severity
        self.detail = detail
        self.hint = hint
    }

    /// The SQLSTATE of what a login may not do.
    package static let insufficientPrivilege = "42501"
    /// The SQLSTATE of what a function says in its own words.
    package static let raisedException = "P0001"

    /// The statement may succeed on a new connection, with nothing changed.
    ///
    /// By class of SQLSTATE: 08 connection, 57P0x shutdown, 53 out of resources, 58 errors of the system beneath (a disk that
    /// can't be read), 25006 a primary that became a standby, 26000 a prepared statement that a pooler or a migration took away, 0A000 its result type changed.
    package var isConnectionFailure: Bool {
        switch self.code {
        case .connectionFailed, .transactionPooled, .connectionLost, .timedOut: true
        case .unexpectedResult: false
        case .server:
            self.sqlState.map { state in
                ["08", "53", "57P0", "58"].contains { state.hasPrefix($0) }
                    || ["25006", "26000", "0A000"].contains(state)
            } ?? true
        }
    }

    /// The same statement may succeed if it is sent again: deadlock, serialization, lock or statement timeout.
    package var isTransient: Bool {
        self.isConnectionFailure || ["40001", "40P01", "55P03", "57014"].contains(self.sqlState)
    }

    /// The server has ended the statement, which took longer than one may.
    package var isStatementTimeout: Bool { self.sqlState == "57014" }

    /// The statement took longer than one may, by the server's clock or by ours.
    package var isTimeout: Bool { self.code == .timedOut || self.isStatementTimeout }

    /// The server does nothing of the kind for now, whatever connection asks.
    ///
    /// By class of SQLSTATE: 53 out of resources (a full disk), 57P0x shutdown, 58 errors of the system beneath, 25006
    /// read-only.
    var isRefusal: Bool {
        guard self.code == .server, let sqlState else { return false }
        return ["53", "57P0", "58"].contains { sqlState.hasPrefix($0) } || sqlState == "25006"
    }

    /// The server itself is at fault (a damaged index, a bug), as far as anybody can say.
    ///
    /// By class of SQLSTATE: XX.
    package var isInternal: Bool { self.sqlState?.hasPrefix("XX") ?? false }

    /// Something that every such statement needs is not there, or not allowed.
    ///
    /// By class of SQLSTATE: 42 (a function, a column, a right), 3F the schema.
    package var isFaultOfSchema: Bool {
        self.sqlState.map { $0.hasPrefix("42") || $0.hasPrefix("3F") } ?? false
    }

    /// What was sent is at fault: without it the statement may succeed.
    ///
    /// By class of SQLSTATE: 22 data, 23 constraints.
    package var isFaultOfValues: Bool {
        self.sqlState.map { $0.hasPrefix("22") || $0.hasPrefix("23") } ?? false
    }

    package var description: String {
        if let sqlState { "\(self.message) (SQLSTATE \(sqlState))" } else { self.message }
    }

    package var debugDescription: String {
        [self.description, self.detail, self.hint].compactMap(\.self).joined(separator: "\n")
    }
}
