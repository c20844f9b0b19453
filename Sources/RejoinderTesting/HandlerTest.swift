public import EventQueue
import HaptikWebhook
public import Logging
public import RejoinderWorker

/// Runs handlers on an event as a worker does, without a database, and tells what the caller would have got.
///
/// The event is written as Haptik sends it, and read, handled and checked by the worker's own code. The handler is tried
/// again as its options say while time is left, with two differences: there is none of the worker's pause of a moment in
/// between, and where a handler ignores its cancellation at its time limit, the next attempt waits up to 2 s for it, while
/// a worker's begins at once.
public struct HandlerTest: Sendable {
    /// How much time is left for the reply; 29 s is what an ingress gives unless it is told otherwise.
    public var timeLeft = Duration.seconds(29)
    /// The number of the first attempt.
    ///
    /// With 2, an earlier attempt has failed at an unknown point.
    public var attempt = 1
    /// When the caller hangs up: the handler's task is cancelled then, and not run again.
    public var hangsUpAfter: Duration?
    /// The event's id, the same in all attempts.
    public var eventID = EventID()
    /// The path that was called.
    public var endpoint = "/webhook"
    /// What the handler logs with; logs nothing unless it is set.
    public var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private let handlers: Handlers

    /// A test of a worker's handlers.
    public init(_ handlers: Handlers) {
        self.handlers = handlers
    }

    /// What the bot would say.
    ///
    /// - Throws: why it would say nothing.
    public func reply(to event: WebhookEvent) async throws(BotBreak) -> Reply {
        try await self.result(of: event).outcome.get()
    }

    /// What would become of an event.
    public func result(of event: WebhookEvent) async -> HandlerResult {
        await self.result(ofBody: JSONValue.object(event.fields).encoded())
    }

    /// What would become of a call with this body.
    public func result(ofBody body: [UInt8]) async -> HandlerResult {
        let node: String
        do throws(ContractError) {
            node = try Envelope(checking: body).node
        } catch {
            return HandlerResult(outcome: .failure(BotBreak(.contract, error.message)), attempts: [])
        }
        guard let handle = self.handlers.handle(for: node) else {
            return HandlerResult(outcome: .failure(BotBreak(.noWorker, "no handler serves the node")), attempts: [])
        }
        return await self.result(ofBody: body, handle)
    }

    private func result(ofBody body: [UInt8], _ handle: Handle) async -> HandlerResult {
        let start = ContinuousClock.now
        let deadline = start + self.timeLeft
        var attempts: [HandlerResult.Attempt] = []
        while true {
            let number = self.attempt + attempts.count
            let context = HandlerContext(
                eventID: self.eventID,
                attempt: number,
                deadline: deadline,
                endpoint: self.endpoint,
                logger: self.logger
            )
            let run = AttemptRun(
                handle: handle,
                body: body,
                context: context,
                hangsUp: self.hangsUpAfter.map { start + $0 }
            )
            let end = await run.end()
            attempts.append(HandlerResult.Attempt(number: number, end))
            if case .retry = end.outcome, number < handle.options.mostAttempts, .now < deadline { continue }
            return HandlerResult(outcome: Self.outcome(of: end.outcome), attempts: attempts)
        }
    }

    /// What the caller gets when no attempt follows.
    private static func outcome(of last: AttemptOutcome?) -> Result<Reply, BotBreak> {
        switch last {
        case .answered(let encoded):
            do throws(ReplyError) {
                return .success(try Reply(parsing: encoded))
            } catch {
                return .failure(BotBreak(.invalidReply, error.message))
            }
        case .failed("refused", let reason): return .failure(BotBreak(.refused, reason))
        case .failed("invalid_reply", let error): return .failure(BotBreak(.invalidReply, error))
        case .failed(_, let error), .retry(_, let error): return .failure(BotBreak(.handlerFailed, error))
        // Only a worker's queue gives events back.
        case .expired: return .failure(BotBreak(.noReply, "there was no reply before the deadline"))
        case nil: return .failure(BotBreak(.hungUp, "the caller has hung up"))
        }
    }
}

extension HandlerResult.Attempt {
    init(number: Int, _ end: AttemptRun.End) {
        self.number = number
        self.failure =
            switch end.outcome {
            case .answered, .failed("refused", _): nil
            case .failed(let code, _), .retry(let code, _): code
            case .expired: BotBreak.Code.noReply.rawValue
            case nil: BotBreak.Code.hungUp.rawValue
            }
        self.duration = end.duration
        self.heedsCancellation = end.heedsCancellation
    }
}

extension Handlers {
    /// What the bot would say to an event: for tests.
    ///
    /// - Throws: why it would say nothing.
    public func reply(to event: WebhookEvent) async throws(BotBreak) -> Reply {
        try await HandlerTest(self).reply(to: event)
    }
}

extension Handle {
    /// What the bot would say to an event, if this were the worker's only handler: for tests.
    ///
    /// - Throws: why it would say nothing.
    public func reply(to event: WebhookEvent) async throws(BotBreak) -> Reply {
        try await HandlerTest(Handlers { self }).reply(to: event)
    }
}
