/// An event as the ingress received it.
package struct NewEvent: Sendable {
    /// No caller waits for longer.
    package static let longestDeadline = Duration.seconds(300)

    package let id: EventID
    package let endpoint: String
    package let node: String
    /// The exact signed text.
    ///
    /// Valid JSON.
    package let payload: [UInt8]
    /// When its request's head came in.
    package let received: ContinuousClock.Instant
    /// The monotonic instant by which its caller must have a reply.
    package let deadline: ContinuousClock.Instant
    /// The traceparent (W3C Trace Context) of the trace that it is part of.
    package var trace: String?

    package init(
        id: EventID = EventID(),
        endpoint: String,
        node: String,
        payload: [UInt8],
        received: ContinuousClock.Instant = .now,
        deadline: ContinuousClock.Instant
    ) {
        self.id = id
        self.endpoint = endpoint
        self.node = node
        self.payload = payload
        self.received = received
        self.deadline = deadline
    }
}
