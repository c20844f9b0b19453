import EventQueue
import HaptikWebhook
import Logging
import PostgresClient
import RejoinderMetrics
import Synchronization
import Tracing

/// Runs handlers: one task per claim, cancelled at its deadline or when nobody waits for it any more.
///
/// A handler may ignore its cancellation. Its event has its outcome in time all the same; only the slot stays taken until
/// the handler returns.
final class Runner: Sendable {
    private struct Attempt {
        let claim: Claim
        /// Nil for the moment in which it is being started.
        var task: Task<Void, Never>?
    }

    private struct State {
        var attempts: [EventID: Attempt] = [:]
        /// Claims that have ended while their handler goes on, by their place; and whether that has been reported.
        var overrunning: [Int64: (claim: Claim, isReported: Bool)] = [:]

        /// Whether the claim has not ended.
        func holds(_ claim: Claim) -> Bool { self.attempts[claim.id]?.claim.place == claim.place }

        /// Ends the claim, whose handler has returned; false when it had ended before.
        mutating func end(_ claim: Claim) -> Bool {
            guard self.holds(claim) else { return false }
            self.attempts[claim.id] = nil
            return true
        }

        /// Ends a claim while its handler goes on; nil when it had ended before.
        mutating func leave(_ id: EventID, at place: Int64? = nil) -> Attempt? {
            guard let attempt = self.attempts[id], place == nil || attempt.claim.place == place else { return nil }
            self.attempts[id] = nil
            self.overrunning[attempt.claim.place] = (attempt.claim, false)
            return attempt
        }
    }

    private let handlers: Handlers
    private let queue: WorkerQueue
    private let logger: Logger
    /// Whether of a call that no ingress records nothing is recorded here.
    private let followsIngress: Bool
    private let state = Mutex(State())
    /// By node, as metrics name it: a node's name is a stranger's text, and the others have one together.
    private let paces = Mutex<[String: Pace]>([:])
    private let deadlines = DeadlineQueue<Limit>()
    private let threads = HandlerThreads()
    private let tracer = EventTrace.tracer
    private let metrics = HandlerMetrics()

    /// What ends an attempt.
    ///
    /// It is kept until its instant, long after most attempts have ended: so it holds nothing of the event itself.
    private struct Limit: Sendable {
        enum Kind: Sendable { case deadline, timeLimit, overrun }
        let kind: Kind
        let id: EventID
        let place: Int64

        init(_ kind: Kind, of claim: Claim) {
            self.kind = kind
            self.id = claim.id
            self.place = claim.place
        }
    }

    init(handlers: Handlers, queue: WorkerQueue, followsIngress: Bool, logger: Logger) {
        self.handlers = handlers
        self.queue = queue
        self.followsIngress = followsIngress
        self.logger = logger
    }

    /// Takes claims and runs them until the queue is drained.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                await self.deadlines.run { limits in
                    for limit in limits { self.reached(limit) }
                }
            }
            await self.queue.run { event in
                switch event {
                case .claimed(let claims, let thread):
                    for claim in claims { self.start(claim, from: thread) }
                    // What takes no time is told with the next trip.
                    await thread.takeTurns()
                case .cancelled(let id): self.cancel(id)
                }
            } onEnd: {
                await self.endHandlers()
            }
            group.cancelAll()
        }
    }

    /// Cancels the handlers that still run, and gives all that were cancelled the time to heed that, also where this very task is
    /// cancelled.
    private func endHandlers() async {
        let claims = self.state.withLock { $0.attempts.values.map(\.claim) }
        for claim in claims {
            guard let attempt = self.state.withLock({ $0.leave(claim.id, at: claim.place) }) else { continue }
            self.queue.finish(claim, nil, freesSlot: false)
            self.leave(attempt)
        }
        let end = ContinuousClock.now + Handle.patience
        await Task(name: "wait for handlers") {
            while .now < end, self.state.withLock({ $0.overrunning.values.contains { !$0.isReported } }) {
                try? await Task.sleep(for: .milliseconds(10))
            }
        }.value
    }

    /// Registered with the database, and connected to it.
    var isReady: Bool { self.queue.isReady }

    var isStopping: Bool { self.queue.isStopping }

    /// Claims nothing more; `run` returns when all that is held has its outcome.
    func drain() { self.queue.drain() }

    private func start(_ claim: Claim, from connection: ConnectionThread) {
        let handle = self.handlers.handle(for: claim.node)
        let earlier = self.state.withLock { state in
            defer { state.attempts[claim.id] = Attempt(claim: claim, task: nil) }
            return state.leave(claim.id)
        }
        // Its claim was given up while this process stood still.
        if let earlier { self.leave(earlier) }
        self.deadlines.insert(Limit(.deadline, of: claim), at: claim.deadline)
        if let limit = handle?.options.timeLimit, .now + limit < claim.deadline {
            self.deadlines.insert(Limit(.timeLimit, of: claim), at: .now + limit)
        }
        if self.paces.withLock({ $0[claim.pace]?.isQuick(at: .now) ?? false }) {
            connection.lend { self.startQuickly(claim, handle) }
        } else {
            let thread = self.threads.take()
            // Bridges from the queue's synchronous event; left behind when its handler ignores its cancellation.
            self.started(claim, Task(executorPreference: thread) { await self.run(claim, handle, on: thread) })
        }
    }

    /// On the connection's thread, which it leaves at the handler's first `await`.
    private func startQuickly(_ claim: Claim, _ handle: Handle?) {
        // Behind others it may have come to its end before it could start.
        guard self.state.withLock({ $0.holds(claim) }) else { return self.left(claim) }
        let start = ContinuousClock.now
        let thread = self.threads.take()
        let (task, begin) = thread.task { await self.run(claim, handle, on: thread) }
        self.started(claim, task)
        begin()
        let now = ContinuousClock.now
        self.paces.withLock { $0[claim.pace]?.heldThread(for: now - start, at: now) }
    }

    private func started(_ claim: Claim, _ task: Task<Void, Never>) {
        let isUnderWay = self.state.withLock { state in
            guard state.holds(claim) else { return false }
            state.attempts[claim.id]?.task = task
            return true
        }
        // It has ended already, or was to be cancelled before it could be.
        if !isUnderWay { task.cancel() }
    }

    private func run(_ claim: Claim, _ handle: Handle?, on thread: HandlerThread) async {
        let start = ContinuousClock.now
        let outcome = await self.attempt(claim, handle)
        let ran = ContinuousClock.now - start
        if case .retry(code: "handler_failed", _) = outcome, let handle, claim.attempt < handle.options.mostAttempts {
            await Self.pause(after: claim)
        }
        self.paces.withLock { $0[claim.pace, default: Pace()].took(ran) }
        self.threads.giveBack(thread)
        self.end(claim, outcome, ran: ran)
    }

    private func attempt(_ claim: Claim, _ handle: Handle?) async -> AttemptOutcome {
        let start = ContinuousClock.now
        let outcome = await self.outcome(of: claim, handle)
        self.metrics.ended(claim, outcome, since: start)
        return outcome
    }

    private func outcome(of claim: Claim, _ handle: Handle?) async -> AttemptOutcome {
        guard let handle else {
            return .failed(code: "no_handler", error: "this worker has no handler for the node")
        }
        let context = HandlerContext(claim, logger: self.logger)
        return await handle.attempt(at: claim.payload, context: context) { run in
            try await self.tracing(claim, run)
        }
    }

    /// Runs a handler in a span of its event's trace, after one for the time in the queue.
    private func tracing(
        _ claim: Claim,
        _ body: () async throws -> HandlerOutcome
    ) async throws -> HandlerOutcome {
        guard let tracer = self.tracer else { return try await body() }
        guard let trace = claim.trace else {
            guard self.followsIngress else { return try await body() }
            return try await ServiceContext.withValue(EventTrace.unrecorded) { try await body() }
        }
        let context = EventTrace.context(of: trace)
        if let waited = claim.waited {
            tracer.startSpan("queue", context: context, at: DefaultTracerClock.Timestamp(waited)).end()
        }
        return try await tracer.withAnySpan("handle \(claim.node)", context: context, ofKind: .consumer) { span in
            span.attributes["rejoinder.event.id"] = "\(claim.id)"
            span.attributes["rejoinder.attempt"] = claim.attempt
            return try await body()
        }
    }

    /// A moment before the next attempt, longer each time: what failed just now would likely fail again.
    ///
    /// It leaves half of the time for that.
    private static func pause(after claim: Claim) async {
        let upper = Duration.milliseconds(100) * (1 << min(claim.attempt - 1, 5))
        try? await Task.sleep(for: min(upper * Double.random(in: 0.5...1), max(.zero, claim.deadline - .now) / 2))
    }

    /// The handler has returned.
    private func end(_ claim: Claim, _ outcome: AttemptOutcome, ran: Duration) {
        if self.state.withLock({ $0.end(claim) }) {
            self.queue.finish(claim, outcome, ran: ran)
        } else {
            self.left(claim)
        }
    }

    /// What ran on after the end of its claim runs no longer.
    private func left(_ claim: Claim) {
        let overrun = self.state.withLock { $0.overrunning.removeValue(forKey: claim.place) }
        if overrun?.isReported ?? false { self.metrics.overrunEnded(claim) }
        self.queue.freeSlot(of: claim)
    }

    private func cancel(_ id: EventID) {
        guard let attempt = self.state.withLock({ $0.leave(id) }) else { return }
        self.queue.finish(attempt.claim, nil, freesSlot: false)
        self.leave(attempt)
    }

    private func reached(_ limit: Limit) {
        guard limit.kind != .overrun else { return self.reportOverrun(at: limit.place) }
        guard let attempt = self.state.withLock({ $0.leave(limit.id, at: limit.place) }) else { return }
        let outcome: AttemptOutcome = limit.kind == .deadline ? .expired : .overTimeLimit
        self.queue.finish(attempt.claim, outcome, freesSlot: false)
        self.leave(attempt)
    }

    /// Cancels a handler whose event has its outcome, and sees whether it heeds that.
    private func leave(_ attempt: Attempt) {
        self.deadlines.insert(Limit(.overrun, of: attempt.claim), at: .now + Handle.patience)
        attempt.task?.cancel()
    }

    private func reportOverrun(at place: Int64) {
        let overrun = self.state.withLock { state in
            state.overrunning[place]?.isReported = true
            if let claim = state.overrunning[place]?.claim { self.metrics.overran(claim) }
            return state.overrunning[place]
        }
        guard let claim = overrun?.claim else { return }
        self.logger.error(
            "a handler ignores its cancellation, its slot stays taken until it returns",
            metadata: ["event.id": "\(claim.id)", "node": "\(claim.node)"]
        )
    }
}

extension Claim {
    /// Under which its handler's pace is kept.
    fileprivate var pace: String { NodeLabels.shared.label(of: self.node) }
}
