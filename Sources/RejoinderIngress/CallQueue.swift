package import EventQueue
package import ServiceLifecycle

/// What the ingress hands calls to, and has their outcomes from.
package protocol CallQueue: Service {
    /// Whether what comes now may be answered.
    var isReady: Bool { get }

    /// Takes an event in, which goes on with `send`; `onEnding` is called once, on the event loop, at the latest a moment
    /// after the event's deadline.
    ///
    /// It must not block.
    func enter(_ event: NewEvent, onEnding: @escaping @Sendable (Ending) -> Void)

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
