import EventQueue
import RejoinderIngress
import ServiceLifecycle

/// Answers each event where it stands: what is left of the ingress without a queue.
struct InlineQueue: CallQueue {
    /// What each reply is.
    static let answer = #"{"status":true,"response":["inline"]}"#
    private static let outcome = Outcome.answered(Array(answer.utf8), attempt: 1)

    let isReady = true

    func enter(_ event: NewEvent, onEnding: @escaping @Sendable (Ending) -> Void) {
        onEnding(Ending(Self.outcome))
    }

    func send() {}

    func abandon(_ id: EventID) {}

    func replied(to id: EventID, status: Int) {}

    func gaveNoAnswer(_ code: String, node: String?) {}

    func run() async throws { try await gracefulShutdown() }
}
