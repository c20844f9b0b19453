/// An event that this worker holds, for one attempt.
package struct Claim: Sendable {
    package let id: EventID
    /// With the id, the token of the claim: the database accepts an outcome only while it is the current one.
    package let place: Int64
    /// 1 at the first.
    package let attempt: Int
    /// The monotonic instant by which its caller must have a reply.
    package let deadline: ContinuousClock.Instant
    package let endpoint: String
    package let node: String
    package let payload: [UInt8]
    /// The traceparent (W3C Trace Context) of the trace that it is part of.
    package let trace: String?
    /// How long it was in the queue; nil where it is in no trace.
    package let waited: Duration?
    /// Which of the worker's lanes it was claimed for, counted from 0.
    package let lane: Int

    /// What is left of it when it has been handled.
    var withoutPayload: Claim {
        Claim(
            id: self.id,
            place: self.place,
            attempt: self.attempt,
            deadline: self.deadline,
            endpoint: self.endpoint,
            node: self.node,
            payload: [],
            trace: self.trace,
            waited: self.waited,
            lane: self.lane
        )
    }
}

/// When a handler returned, and how long it took: for those who look.
struct Handled: Sendable {
    let at: ContinuousClock.Instant
    let ran: Duration
}

/// How an attempt ended.
package enum AttemptOutcome: Sendable, Hashable {
    /// The reply's bytes, as they go to Haptik. Valid JSON.
    case answered([UInt8])
    /// No further attempt is to be made.
    case failed(code: String, error: String)
    /// Another attempt, while attempts and time are left.
    case retry(code: String, error: String)
    /// The deadline passed.
    case expired

    /// The event is queued again.
    var goesBack: Bool { if case .retry = self { true } else { false } }
}
