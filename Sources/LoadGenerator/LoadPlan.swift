package import HaptikWebhook

/// What load there is to be.
package struct LoadPlan: Sendable {
    package enum Pace: Sendable, Hashable {
        /// So many calls at a time: the next begins when one has its reply, on the same connection, or with `newConnections` on a
        /// new one.
        case closed(connections: Int)
        /// So many calls a second, whatever becomes of them, on at most so many connections.
        ///
        /// A call that must wait for a connection waits at its own cost: its time runs from when it was due.
        case open(rate: Double, connections: Int)
    }

    /// Connections go to these in turn.
    package var targets: [LoadTarget]
    /// Of each call; JSON.
    package var body: Template
    /// What a right reply's body contains; nil where any 200 is right.
    package var expected: Template?
    /// Signs each body.
    package var signer: SignatureVerifier
    package var pace: Pace
    /// Of the measurement, which begins after the warm-up.
    package var duration = Duration.seconds(10)
    package var warmUp = Duration.zero
    /// Each call has a connection of its own, as of callers that keep none; its time includes opening that.
    package var newConnections = false
    /// Stops after so many calls, if the time is not over before.
    package var calls: Int?
    /// For a connection to be accepted, and as long again for its TLS handshake, or an idle one's reply.
    package var connectTimeout = Duration.seconds(10)
    /// How long the replies that are still due at the end are waited for.
    package var patience = Duration.seconds(35)
    /// Called with each call that has come to its end, of the warm-up too; must not block.
    package var onEnd: (@Sendable (CallRecord) -> Void)?
    /// Connections that are held open beside the load, and do nothing.
    package var idleConnections = 0

    package init(targets: [LoadTarget], body: Template, expected: Template?, signer: SignatureVerifier, pace: Pace) {
        precondition(!targets.isEmpty, "a load goes somewhere")
        self.targets = targets
        self.body = body
        self.expected = expected
        self.signer = signer
        self.pace = pace
    }
}
