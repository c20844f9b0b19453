import CoreMetrics
package import Logging
package import PostgresClient
import RejoinderMetrics
import Tracing

/// The queue as a worker uses it: it hands out claims, and takes outcomes.
///
/// One connection carries pipelined round trips: the outcomes that have come in since the last one, and a claim for each
/// lane that wants one. Where the disk is slow, a second connection tells the outcomes, so that claims go on while the
/// database waits for it.
package final class WorkerQueue: Sendable {
    /// What the worker is told, in order.
    package enum Event: Sendable {
        /// With the connection's thread, which may be lent to handlers.
        case claimed([Claim], ConnectionThread)
        /// Nobody waits for this event any more, or it is no longer this worker's.
        case cancelled(EventID)
    }

    struct State: Sendable {
        var table: WorkerTable
        var cancelled: [EventID] = []
        var isStopping = false
        /// A trip is under way, and what it brings not yet known.
        var isTravelling = false
        /// There is a connection by whose locks others may hand the worker something.
        var isAttending = false
        /// The worker's view of what it holds and the database's may have come apart.
        var shouldReconcile = true

        /// Claims nothing more; false when that is so already.
        mutating func drain() -> Bool {
            guard !self.isStopping else { return false }
            self.isStopping = true
            self.table.drain()
            return true
        }

        /// How many slots are in use.
        var busy: Int { self.table.lanes.reduce(0) { $0 + $1.busy } }
    }

    let connector: PostgresConnector
    /// For what needs no session.
    let sessionless: PostgresConnector
    let pool: PostgresPool
    let lanes: [LaneOptions]
    let logger: Logger
    let state: Shared<State>
    let session: ProcessSession
    let signal = Signal()
    let tracer = EventTrace.tracer
    /// When lanes look again for what a limit held back.
    let looks = DeadlineQueue<Int>()
    /// Raised when outcomes are to be told apart from the trips.
    let toTell = Signal()
    /// Ends when the worker drains.
    let stopping: AsyncStream<Never>
    private let stop: AsyncStream<Never>.Continuation

    /// The queue's views call this process by its name.
    package init(
        configuration: PostgresConfiguration,
        name: String,
        lanes: [LaneOptions],
        logger: Logger
    ) {
        (self.connector, self.sessionless) = PostgresConnector.pair(configuration, logger: logger)
        self.pool = PostgresPool(self.sessionless, size: 1)
        self.lanes = lanes
        self.logger = logger
        let (stopping, stop) = AsyncStream<Never>.makeStream()
        (self.stopping, self.stop) = (stopping, stop)
        let state = Shared(State(table: WorkerTable(lanes: lanes)))
        self.state = state
        self.session = ProcessSession(
            connector: self.connector,
            pool: self.pool,
            role: .worker,
            name: name,
            lanes: lanes,
            incidents: IncidentLog(),
            logger: logger,
            busy: { state.withLock { $0.busy } },
            onRegistered: { [signal] in
                Self.logRegistration(lanes, logger)
                signal.raise()
            },
            onBeat: { [signal] beat in
                let isNews = state.withLock { state in
                    state.table.spare(beat.isSpare)
                    return beat.isDraining && state.drain()
                }
                if isNews {
                    Self.logDrain(logger)
                    stop.finish()
                }
                signal.raise()
            }
        )
        QueueMetrics.begin(.worker)
        Meter(.slots).set(lanes.reduce(0) { $0 + $1.slots })
        self.showState()
    }

    /// Registered with the database, and connected to it.
    package var isReady: Bool { self.session.isConnected && self.connector.awaySince == nil }

    /// Claims nothing more.
    package var isStopping: Bool { self.state.withLock { $0.isStopping } }

    /// Sets the gauges.
    func showState() {
        QueueMetrics.slotsBusy.set(self.state.withLock { $0.busy })
        QueueMetrics.databaseUp.set(self.isReady ? 1 : 0)
    }

    /// An attempt has come to its outcome, which goes to the database with the next round trip; nil when there is
    /// nothing to tell.
    ///
    /// Ignored when the claim has ended already.
    ///
    /// `ran` is how long the handler took, which has just returned. `freesSlot` is false while the handler still runs, though
    /// nobody waits for it: `freeSlot` must follow.
    package func finish(
        _ claim: Claim,
        _ outcome: AttemptOutcome?,
        ran: Duration? = nil,
        freesSlot: Bool = true
    ) {
        let handled = ran.map { Handled(at: .now, ran: $0) }
        if case .retry? = outcome, claim.attempt < self.lanes[claim.lane].maxAttempts {
            QueueMetrics.retries[claim.node].increment()
        }
        self.state.withLock { state in
            state.table.finished(claim, outcome, handled)
            if freesSlot { state.table.lanes[claim.lane].slotFreed() }
        }
        self.signal.raise()
    }

    /// The handler of a claim that had been finished without freeing its slot has returned.
    package func freeSlot(of claim: Claim) {
        self.state.withLock { $0.table.lanes[claim.lane].slotFreed() }
        self.signal.raise()
    }

    /// Claims nothing more.
    ///
    /// `run` returns when everything held has come to its outcome.
    package func drain() {
        _ = self.state.withLock { $0.drain() }
        self.stop.finish()
        self.signal.raise()
    }

    /// An operator wants the worker to stop in order.
    func drainAsTold() {
        guard self.state.withLock({ $0.drain() }) else { return }
        Self.logDrain(self.logger)
        self.stop.finish()
        self.signal.raise()
    }

    /// Whom one can expect answers from.
    private static func logRegistration(_ lanes: [LaneOptions], _ logger: Logger) {
        let nodes = lanes.flatMap { $0.nodes ?? ["any"] }.joined(separator: ", ")
        let slots = lanes.reduce(0) { $0 + $1.slots }
        logger.info("registered", metadata: ["nodes": "\(nodes)", "slots": .stringConvertible(slots)])
    }

    private static func logDrain(_ logger: Logger) {
        logger.info("draining, as an operator asked: no new claims")
    }
}
