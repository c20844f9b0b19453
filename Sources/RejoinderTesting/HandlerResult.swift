public import RejoinderWorker

/// What became of a call, and of each attempt at its event.
public struct HandlerResult: Sendable {
    /// One run of the handler.
    public struct Attempt: Sendable, Hashable {
        /// 1 at the first.
        public let number: Int
        /// Nil if it gave the reply or was refused.
        ///
        /// Else why it gave none: `handler_failed`, `invalid_reply`, `time_limit`, `no_reply`, `hung_up`.
        public let failure: String?
        /// How long it took, until the handler returned or was given up.
        public let duration: Duration
        /// False where the handler went on for over 2 s after its task was cancelled: it holds its slot as long as it does.
        public let heedsCancellation: Bool
    }

    /// The reply, or why there would be none.
    public let outcome: Result<Reply, BotBreak>
    /// Every run of the handler, in order; empty where none was run.
    public let attempts: [Attempt]

    /// What the bot says; nil at a bot break.
    public var reply: Reply? {
        switch self.outcome {
        case .success(let reply): reply
        case .failure: nil
        }
    }

    /// Why the bot says nothing; nil where it does.
    public var botBreak: BotBreak? {
        switch self.outcome {
        case .success: nil
        case .failure(let botBreak): botBreak
        }
    }

    /// The status that Haptik would get.
    public var status: Int { self.botBreak?.status ?? 200 }
}
