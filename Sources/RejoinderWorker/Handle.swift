/// A handler for one or more of the bot's nodes, with its options.
public struct Handle: Sendable {
    /// What is done with an event.
    ///
    /// May run again for the same event unless it is `atMostOnce`.
    public typealias Body = @Sendable (WebhookEvent, HandlerContext) async throws -> HandlerOutcome

    /// Which nodes: nil is every node that no other handler of the worker names.
    let nodes: [String]?
    package let options: Options
    let body: Body

    /// How a handler is run.
    public struct Options: Sendable, Hashable {
        /// Slots of its own: at most so many of its events run at once in this process.
        ///
        /// Nil: the worker's slots, which all handlers with the same attempts and guarantee share.
        public var concurrency: Int?
        /// How often an event is tried, crashes included; once where it is `atMostOnce`.
        public var attempts: Int
        /// Never run twice for one event, whatever fails: a lost attempt fails the event.
        public var atMostOnce: Bool
        /// A limit of its own for one attempt, within the event's deadline.
        ///
        /// Running into it counts as a thrown error.
        public var timeLimit: Duration?

        /// The defaults: shared slots, three attempts, no limit but the deadline.
        public init(
            concurrency: Int? = nil,
            attempts: Int = 3,
            atMostOnce: Bool = false,
            timeLimit: Duration? = nil
        ) {
            self.concurrency = concurrency
            self.attempts = attempts
            self.atMostOnce = atMostOnce
            self.timeLimit = timeLimit
        }

        /// How often an event is tried at most.
        package var mostAttempts: Int { self.atMostOnce ? 1 : self.attempts }

        fileprivate func check() {
            precondition(self.concurrency.map { $0 > 0 } ?? true, "a handler's concurrency is at least 1")
            precondition((1...100).contains(self.attempts), "a handler has 1 to 100 attempts")
        }
    }

    /// A handler for these nodes.
    public init(
        _ node: String,
        _ more: String...,
        concurrency: Int? = nil,
        attempts: Int = 3,
        atMostOnce: Bool = false,
        timeLimit: Duration? = nil,
        body: @escaping Body
    ) {
        let options = Options(
            concurrency: concurrency,
            attempts: attempts,
            atMostOnce: atMostOnce,
            timeLimit: timeLimit
        )
        self.init(nodes: [node] + more, options: options, body: body)
    }

    /// Stops the program where the options can't be: that is a mistake in its source.
    private init(nodes: [String]?, options: Options, body: @escaping Body) {
        options.check()
        self.nodes = nodes
        self.options = options
        self.body = body
    }

    /// A handler for every node that no other handler of the worker names.
    public static func anyNode(_ options: Options = Options(), body: @escaping Body) -> Handle {
        Handle(nodes: nil, options: options, body: body)
    }
}
