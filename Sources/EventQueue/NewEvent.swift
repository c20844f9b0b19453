/// An event as the ingress received it.
package struct NewEvent: Sendable {
    package let id: EventID
    package let endpoint: String
    package let node: String
    /// The exact signed text.
    ///
    /// Valid JSON.
    package let payload: [UInt8]
    /// The monotonic instant by which its caller must have a reply.
    package let deadline: ContinuousClock.Instant

    package init(
        id: EventID = EventID(),
        endpoint: String,
        node: String,
        payload: [UInt8],
        deadline: ContinuousClock.Instant
    ) {
        self.id = id
        self.endpoint = endpoint
        self.node = node
        self.payload = payload
        self.deadline = deadline
    }
}
