/// What a waiting caller is told.
package enum Outcome: Sendable, Hashable {
    /// A worker answered (or an operator did): the reply's bytes, ready to be sent.
    case answered([UInt8], attempt: Int)
    /// No attempt is left. The code says why: `refused`, `handler_failed`, `invalid_reply`, `worker_lost`, ….
    case failed(code: String, attempt: Int)
    /// The deadline passed.
    case expired
    /// An operator cancelled it.
    case cancelled
    /// Its node is paused.
    case paused
    /// The caller's task was cancelled: it has hung up.
    case abandoned
    /// No worker serves its node.
    case unserved
    /// The database is away, longer than one waits for it.
    case unavailable
    /// Too many are waiting.
    case overloaded
    /// The payloads of those that wait leave no room for this one.
    case outOfRoom
    /// The database will not take this event (and took its batch-mates): its text.
    case rejected(String)
}
