/// What became of one call.
package struct CallRecord: Sendable {
    package enum End: Sendable, Hashable {
        case reply(status: Int, body: String)
        /// Its connection broke, or the one of its own could not be opened.
        case broken
        /// No reply came before patience ended.
        case unanswered
    }

    /// What stood for `{{n}}`.
    package let number: String
    /// The target that it went to, by its place among them; nil where it found no connection.
    package let target: Int?
    /// When it was due, when it went out (nil where it never did), and when it ended: nanoseconds of the system's monotonic
    /// clock.
    package let due: UInt64
    package let sent: UInt64?
    package let ended: UInt64
    package let end: End
}
