package import Logging
package import PostgresClient
import Synchronization

/// The queue as the ingress uses it: hand in an event, await its outcome.
///
/// One connection carries everything in pipelined round trips. While one is under way, what arrives becomes the next:
/// an idle system sends a batch of one at once, a busy one large batches.
package final class IngressQueue: Sendable {
    package struct Limits: Sendable, Hashable {
        /// Callers that wait at once.
        package var waiting: Int = 10_000
        /// Bytes of payload kept for them.
        package var waitingBytes: Int = 256 << 20
        /// How long one waits for a database that is away.
        package var databaseWait: Duration = .seconds(10)
        /// How long one waits for a worker that serves the node.
        package var workerGrace: Duration = .seconds(5)

        package init() {}
    }

    typealias Waiter = CheckedContinuation<Outcome, Never>

    struct State: Sendable {
        var table = WaiterTable<Waiter>()
        /// Cancelled before they entered, or just as they got their outcome.
        var cancelledEarly: Set<EventID> = []
        /// The session was lost and is back: the exchange's connection may be gone too, without having noticed.
        var shouldProbe = false
    }

    let connector: PostgresConnector
    let pool: PostgresPool
    let limits: Limits
    let logger: Logger
    let state: Shared<State>
    let deadlines = DeadlineQueue<EventID>()
    let work: AsyncStream<Void>
    let signal: AsyncStream<Void>.Continuation
    let session: ProcessSession

    /// The queue's views call this process by its name.
    package init(configuration: PostgresConfiguration, name: String, limits: Limits = Limits(), logger: Logger) {
        self.connector = PostgresConnector(configuration, logger: logger)
        self.pool = PostgresPool(self.connector, size: 2)
        self.limits = limits
        self.logger = logger
        (self.work, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        let state = Shared(State())
        self.state = state
        self.session = ProcessSession(
            connector: self.connector,
            pool: self.pool,
            role: .ingress,
            name: name,
            logger: logger
        ) { [signal] event in
            switch event {
            case .done(let ids): state.withLock { $0.table.finished(ids) }
            case .registered: state.withLock { $0.shouldProbe = true }
            case .wake, .cancel, .disconnected: return
            }
            signal.yield()
        }
    }

    /// How many callers wait at this moment.
    package var waiting: Int { self.state.withLock { $0.table.entries.count } }

    /// Registered with the database, and connected to it.
    package var isReady: Bool { self.session.isConnected && self.connector.awaySince == nil }

    /// Hands the event in, and waits for its outcome: at the latest a moment after its deadline.
    ///
    /// Cancelling the task ends the wait with `.abandoned`, and the event in the queue with it.
    package func outcome(of event: NewEvent) async -> Outcome {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if let refusal = self.enter(event, continuation) { continuation.resume(returning: refusal) }
            }
        } onCancel: {
            self.abandon(event.id)
        }
        // No cancellation can come any more; what one left behind that came after the outcome goes here.
        self.state.withLock { _ = $0.cancelledEarly.remove(event.id) }
        return outcome
    }

    private func enter(_ event: NewEvent, _ continuation: Waiter) -> Outcome? {
        let now = ContinuousClock.now
        if let since = self.connector.awaySince, now - since > self.limits.databaseWait { return .unavailable }
        let refusal: Outcome? = self.state.withLock { state in
            if state.cancelledEarly.remove(event.id) != nil { return .abandoned }
            guard
                state.table.entries.count < self.limits.waiting,
                state.table.bytes + event.payload.count <= self.limits.waitingBytes
            else { return .overloaded }
            state.table.enter(event, at: now, waiter: continuation)
            return nil
        }
        guard refusal == nil else { return refusal }
        self.deadlines.insert(event.id, at: event.deadline)
        self.signal.yield()
        return nil
    }

    /// The caller has gone: ends its wait with `.abandoned`, also when that has not begun yet.
    ///
    /// Only while `outcome(of:)` has not returned.
    package func abandon(_ id: EventID) {
        let waiter: Waiter? = self.state.withLock { state in
            let waiter = state.table.leave(id, abandoningAs: "cancelled")
            if waiter == nil { state.cancelledEarly.insert(id) }
            return waiter
        }
        waiter?.resume(returning: .abandoned)
        self.signal.yield()
    }

    func finish(_ ids: some Sequence<EventID>, _ outcome: Outcome, abandoningAs state: String?) {
        for id in ids {
            self.state.withLock { $0.table.leave(id, abandoningAs: state) }?.resume(returning: outcome)
        }
        if state != nil { self.signal.yield() }
    }
}
