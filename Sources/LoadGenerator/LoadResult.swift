/// What came of a load.
///
/// It counts the calls that were due after the warm-up.
package struct LoadResult: Sendable, Codable, Hashable {
    /// In milliseconds, of the calls that were answered right.
    ///
    /// In an open loop from the instant at which the call was due, in a closed loop from when it was sent, or its own connection
    /// was to be opened for it.
    package struct Latency: Sendable, Codable, Hashable {
        package var min = 0.0
        package var mean = 0.0
        package var p50 = 0.0
        package var p90 = 0.0
        package var p99 = 0.0
        package var p999 = 0.0
        package var max = 0.0
    }

    /// All calls; each is in one of the counts that follow.
    package var sent = 0
    /// Replied to with 200 and, where something is expected, that.
    package var answered = 0
    /// Replied to with 200 and something else.
    package var wrong = 0
    /// Replied to with another status, by status.
    package var refused: [Int: Int] = [:]
    /// Their connection broke, or the one of their own could not be opened.
    package var failed = 0
    /// No reply came before patience ended.
    package var unanswered = 0

    /// Connections opened in all.
    package var connections = 0
    /// Connections that the other side closed; where each call has one of its own, before its reply.
    package var connectionsLost = 0
    /// Idle connections that were open until the end.
    package var idleConnections = 0

    /// How long was measured.
    package var seconds = 0.0
    /// Calls answered right per second, by when the reply came.
    package var rate = 0.0
    package var latency = Latency()

    /// Whether there was a call, and each was answered right.
    package var isRight: Bool { self.sent > 0 && self.answered == self.sent }
}
