import CoreMetrics
package import Logging
package import PostgresClient
import RejoinderMetrics
import Tracing

/// The queue as the ingress uses it: hand in an event, await its outcome.
///
/// One connection carries everything in pipelined round trips. While one is under way, what arrives becomes the next:
/// an idle system sends a batch of one at once, a busy one large batches.
package final class IngressQueue: Sendable {
    package struct Limits: Sendable, Hashable {
        /// Callers that wait at once; and a quarter more of nodes that have few waiting.
        package var waiting: Int = 10_000
        /// Bytes of payload kept for them; and a quarter more in the same way.
        package var waitingBytes: Int = 256 << 20
        /// How long one waits for a database that is away.
        package var databaseWait: Duration = .seconds(10)
        /// How long one waits for a worker that serves the node.
        package var workerGrace: Duration = .seconds(5)

        package init() {}
    }

    /// Runs what tells callers how their waits end: all that is known at once in one go.
    package typealias Teller = @Sendable (_ tell: @escaping @Sendable () -> Void) -> Void

    typealias Waiter = @Sendable (Ending) -> Void

    struct State: Sendable {
        var table = WaiterTable<Waiter>()
        /// The nodes that are paused, and whose callers are not let in.
        var refused: Set<String> = []
    }

    let connector: PostgresConnector
    let pool: PostgresPool
    let limits: Limits
    let logger: Logger
    let teller: Teller
    let state = Shared(State())
    let deadlines = DeadlineQueue<EventID>()
    let signal = Signal()
    let replies = ReplyLog()
    let incidents = IncidentLog()
    let tracer = EventTrace.tracer
    let session: ProcessSession

    /// The queue's views call this process by its name.
    ///
    /// A `teller` that has a thread of its own for the callers is woken once for all whose outcomes come together.
    package init(
        configuration: PostgresConfiguration,
        name: String,
        limits: Limits = Limits(),
        logger: Logger,
        teller: @escaping Teller = { tell in tell() }
    ) {
        let (direct, sessionless) = PostgresConnector.pair(configuration, logger: logger)
        self.connector = direct
        self.pool = PostgresPool(sessionless, size: 2)
        self.limits = limits
        self.logger = logger
        self.teller = teller
        self.session = ProcessSession(
            connector: self.connector,
            pool: self.pool,
            role: .ingress,
            name: name,
            incidents: self.incidents,
            logger: logger,
            onRegistered: { [state, signal] in
                state.withLock { $0.table.takenBack() }
                signal.raise()
            },
            onBeat: { [state] beat in state.withLock { $0.refused = Set(beat.refused) } }
        )
        QueueMetrics.begin(.ingress)
        Meter(.waitingCallsLimit).set(limits.waiting)
        Meter(.waitingBytesLimit).set(limits.waitingBytes)
    }

    /// How many callers wait at this moment.
    package var waiting: Int { self.state.withLock { $0.table.entries.count } }

    /// Registered with the database, and connected to it.
    package var isConnected: Bool { self.session.isConnected && self.connector.awaySince == nil }

    /// What comes now may be answered: the database has been there, and is away for no longer than callers wait for it.
    ///
    /// It goes away for all ingresses at once, whose callers would be turned away by a balancer that hears of it earlier.
    package var isReady: Bool { self.session.registration != nil && !self.isAwayForLong }

    /// Longer than callers wait for it.
    var isAwayForLong: Bool { self.connector.awaySince.map { .now - $0 > self.limits.databaseWait } ?? false }

    /// Takes the event in, which `send` then hands to the database; `onEnding` is called once, by the teller or before this
    /// returns, at the latest a moment after the event's deadline.
    ///
    /// It must not block.
    package func enter(_ event: NewEvent, onEnding: @escaping @Sendable (Ending) -> Void) {
        if self.isAwayForLong { return onEnding(Ending(.unavailable)) }
        let now = ContinuousClock.now
        let refusal: Outcome? = self.state.withLock { state in
            guard !state.refused.contains(event.node) else { return .paused }
            guard state.table.hasRoom(for: event.node, limit: self.limits.waiting) else { return .overloaded }
            let bytes = self.limits.waitingBytes
            guard state.table.hasRoom(forBytes: event.payload.count, of: event.node, limit: bytes) else {
                return .outOfRoom
            }
            state.table.enter(event, at: now, waiter: onEnding)
            return nil
        }
        if let refusal { return onEnding(Ending(refusal)) }
        self.deadlines.insert(event.id, at: event.deadline)
    }

    /// The events that have been entered go to the database with the next round trip.
    package func send() {
        self.signal.raise()
    }

    /// The caller has gone: ends its wait with `.abandoned`, and the event in the queue with it.
    ///
    /// Harmless when the wait has ended.
    package func abandon(_ id: EventID) {
        self.finish(CollectionOfOne(id), .abandoned, abandoningAs: .hungUp)
    }

    /// The reply to this event is out.
    package func replied(to id: EventID, status: Int) {
        self.replies.note(id, status: status)
    }

    /// Notes that a caller got no answer; the reason is a problem's code, and the node that of an event.
    package func gaveNoAnswer(_ code: String, node: String?) {
        // Of as many nodes as metrics name: a node's name is a stranger's text.
        self.incidents.note(.call(code: code, node: node.map { NodeLabels.shared.label(of: $0) }))
    }

    func finish(_ ids: some Sequence<EventID>, _ outcome: Outcome, abandoningAs reason: Abandonment?) {
        let ending = Ending(outcome)
        self.finish(ids.map { ($0, ending) }, abandoningAs: reason)
    }

    /// Tells those that still wait.
    func finish(_ endings: [(id: EventID, ending: Ending)], abandoningAs reason: Abandonment? = nil) {
        let told = self.state.withLock { state in
            endings.compactMap { id, ending in
                state.table.leave(id, abandoningAs: reason).map { waiter in (waiter, ending) }
            }
        }
        if !told.isEmpty {
            for (_, ending) in told { QueueMetrics.ended(with: ending.outcome) }
            self.teller {
                for (waiter, ending) in told { waiter(ending) }
            }
        }
        if reason != nil { self.signal.raise() }
    }
}
