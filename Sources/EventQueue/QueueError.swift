package import PostgresClient

/// Why the queue can't be used.
///
/// What becomes of a single event is an outcome, not an error.
package struct QueueError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// There is no schema, or an older one than this program needs.
        case schemaOutdated
        /// A migration that was applied is not the one that this program knows under its number.
        case migrationChanged
        case migrationFailed
        /// This login is not a member of the role that it needs.
        case notGranted
        /// A login or group role that there is not.
        case noSuchRole
        /// The address is of a pooler, and a session is needed.
        case transactionPooled
        /// What an operator asked for can't be done: no such event, not in a state for that, ….
        case refused
        case database
    }

    package let code: Code
    package let message: String
    package let underlying: PostgresError?

    init(_ code: Code, _ message: String, underlying: PostgresError? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
    }

    init(_ error: PostgresError) {
        switch (error.code, error.sqlState) {
        case (.transactionPooled, _): self.init(.transactionPooled, error.description, underlying: error)
        case (_, PostgresError.raisedException): self.init(.refused, error.message, underlying: error)
        default: self.init(.database, error.description, underlying: error)
        }
    }

    /// For the operator to put right; trying again is of no use.
    package var isOfConfiguration: Bool {
        [.schemaOutdated, .notGranted, .noSuchRole, .transactionPooled].contains(self.code)
    }

    /// Nothing is wrong but that the database went away in the middle, or has no time.
    package var whileAway: PostgresError? { self.underlying.flatMap { $0.isTransient ? $0 : nil } }

    package var description: String { self.message }
}
