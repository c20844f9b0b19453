package import EventQueue
package import ServiceLifecycle

/// What the ingress hands calls to, and has their outcomes from.
package protocol CallQueue: Service {
    /// Whether calls are taken at this moment.
    var isReady: Bool { get }

    /// Takes an event in, which goes on with `send`; `onOutcome` is called once, on any thread, at the latest a moment after
    /// the event's deadline.
    ///
    /// With it comes how long the event was in the queue, up to its last attempt, where that is known. It must not block.
    func enter(_ event: NewEvent, onOutcome: @escaping @Sendable (Outcome, _ waited: Duration?) -> Void)

    /// The events that have been entered go on together.
    func send()

    /// The caller has gone: ends the wait for the outcome.
    func abandon(_ id: EventID)

    /// The reply to an event is out.
    func replied(to id: EventID, status: Int)

    /// A caller got no answer, for this reason: a problem's code. The node is that of an event.
    func gaveNoAnswer(_ code: String, node: String?)
}

extension IngressQueue: CallQueue {}
