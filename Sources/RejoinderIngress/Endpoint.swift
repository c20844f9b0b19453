package import HaptikWebhook
import Hummingbird

/// A path that Haptik calls, and how calls to it are treated.
package struct Endpoint: Sendable {
    package let path: String
    /// Nil only where the endpoint was declared unsigned in so many words.
    package let verifier: SignatureVerifier?
    /// From the arrival of the request's head until the reply.
    package let deadline: Duration
    /// Sent as a 200 instead of a bot break of our making.
    package let fallback: Reply?

    package init(path: String, verifier: SignatureVerifier?, deadline: Duration, fallback: Reply?) {
        self.path = path
        self.verifier = verifier
        self.deadline = deadline
        self.fallback = fallback
    }
}
