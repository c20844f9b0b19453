public import EventQueue
public import Logging

/// What a handler knows about the attempt that it is part of.
public struct HandlerContext: Sendable {
    /// The event's id, the same for all its attempts: the idempotency key for what the handler does elsewhere.
    public let eventID: EventID
    /// 1 at the first.
    ///
    /// With more, an earlier attempt has failed, or its worker was lost at an unknown point.
    public let attempt: Int
    /// When the reply must be there, on the monotonic clock.
    ///
    /// The handler's task is cancelled then.
    public let deadline: ContinuousClock.Instant
    /// The path that was called.
    public let endpoint: String
    /// Carries the event's id, node and attempt.
    ///
    /// Never log the event itself: it holds personal data.
    public var logger: Logger {
        // Made when it is asked for: most handlers have nothing to log.
        var logger = self.base
        logger[metadataKey: "event.id"] = "\(self.eventID)"
        if let node { logger[metadataKey: "node"] = "\(node)" }
        logger[metadataKey: "attempt"] = .stringConvertible(self.attempt)
        return logger
    }

    /// The traceparent (W3C Trace Context) of the trace that the call is part of, for requests that the handler makes.
    ///
    /// With a tracer in the program, the task's `ServiceContext` has it too.
    public let traceparent: String?

    private let node: String?
    private let base: Logger

    /// For unit tests of handlers; every argument has a default that suits most.
    public init(
        eventID: EventID = EventID(),
        attempt: Int = 1,
        deadline: ContinuousClock.Instant = .now + .seconds(29),
        endpoint: String = "/webhook",
        logger: Logger = Logger(label: "handler")
    ) {
        self.init(
            eventID: eventID,
            attempt: attempt,
            deadline: deadline,
            endpoint: endpoint,
            traceparent: nil,
            node: nil,
            logger: logger
        )
    }

    init(_ claim: Claim, logger: Logger) {
        self.init(
            eventID: claim.id,
            attempt: claim.attempt,
            deadline: claim.deadline,
            endpoint: claim.endpoint,
            traceparent: claim.trace,
            node: claim.node,
            logger: logger
        )
    }

    private init(
        eventID: EventID,
        attempt: Int,
        deadline: ContinuousClock.Instant,
        endpoint: String,
        traceparent: String?,
        node: String?,
        logger: Logger
    ) {
        self.eventID = eventID
        self.attempt = attempt
        self.deadline = deadline
        self.endpoint = endpoint
        self.traceparent = traceparent
        self.node = node
        self.base = logger
    }

    /// The time left until the deadline; zero when it has passed.
    public var timeLeft: Duration { max(.zero, self.deadline - .now) }
}
