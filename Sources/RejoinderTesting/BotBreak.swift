/// Why the bot would get no reply: the same statuses and codes that an ingress answers with.
public struct BotBreak: Error, Sendable, Hashable {
    /// The problem's stable code.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The body is not an event as Haptik sends it; no handler was run.
        case contract
        /// The handler refused the event.
        case refused
        /// Every attempt threw, or ran into its handler's time limit.
        case handlerFailed = "handler_failed"
        /// The handler's reply is none that Haptik would take.
        case invalidReply = "invalid_reply"
        /// No handler serves the node.
        case noWorker = "no_worker"
        /// The deadline passed before there was a reply.
        case noReply = "no_reply"
        /// The caller has hung up.
        case hungUp = "hung_up"

        /// What HTTP calls it; 499 where nobody is left to read it.
        public var status: Int {
            switch self {
            case .contract, .refused: 400
            case .handlerFailed, .invalidReply: 502
            case .noWorker: 503
            case .noReply: 504
            case .hungUp: 499
            }
        }
    }

    /// The problem's stable code.
    public let code: Code
    /// What an operator would read in `rejoinder.recent`; a handler's error may quote the event.
    public let reason: String

    init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    /// What the caller's response would be.
    public var status: Int { self.code.status }
}

extension BotBreak: CustomStringConvertible {
    /// The status, the code and the reason.
    public var description: String { "bot break: \(self.status) \(self.code.rawValue), \(self.reason)" }
}
