import EventQueue
public import Logging
import PostgresClient
public import ServiceLifecycle

/// A worker, as a service: claims events of its handlers' nodes, runs the handlers, stores their answers.
///
/// `WorkerProgram` makes a whole program of it; inside a program of one's own it goes into the `ServiceGroup`. On graceful
/// shutdown, or when an operator drains it, it claims nothing more, and returns when every handler has ended; at the latest 2 s
/// after their deadlines, when they were cancelled. When its task is cancelled it cancels them at once. Give it the `successTerminationBehavior` that says what a drained worker means to the program.
public struct Worker: Service {
    private let runner: Runner
    let logger: Logger

    /// - Parameters:
    ///   - handlers: at least one.
    ///   - databaseURL: any libpq connection string or URI; nil leaves libpq its own `PG*` variables.
    ///   - listenURL: PostgreSQL itself, where `databaseURL` leads to a transaction pooler.
    ///   - name: what the queue's views call it.
    ///   - slots: how many events are handled at once by all handlers that have the same attempts and guarantee, and no
    ///     concurrency of their own.
    ///   - logger: gets one line per change of state, and none that holds an event's contents.
    public init(
        handlers: Handlers,
        databaseURL: String?,
        listenURL: String? = nil,
        name: String,
        slots: Int = Worker.defaultSlots,
        logger: Logger
    ) {
        self.init(
            handlers: handlers,
            database: PostgresConfiguration(
                connectionString: databaseURL,
                directConnectionString: listenURL,
                applicationName: name
            ),
            name: name,
            slots: slots,
            followsIngress: false,
            logger: logger
        )
    }

    /// With `followsIngress` of a call that no ingress records nothing is recorded here; else the program's own tracer decides
    /// on what its handlers do.
    init(
        handlers: Handlers,
        database: PostgresConfiguration,
        name: String,
        slots: Int,
        followsIngress: Bool,
        logger: Logger
    ) {
        precondition(slots > 0, "a worker has at least one slot")
        self.logger = logger
        let queue = WorkerQueue(
            configuration: database,
            name: name,
            lanes: handlers.lanes(slots: slots),
            logger: logger
        )
        self.runner = Runner(handlers: handlers, queue: queue, followsIngress: followsIngress, logger: logger)
    }

    /// Enough for handlers that mostly wait for others.
    public static let defaultSlots = 64

    /// Runs until graceful shutdown or cancellation.
    ///
    /// A database that is away is waited for.
    public func run() async throws {
        await withGracefulShutdownHandler {
            await self.runner.run()
        } onGracefulShutdown: {
            self.logger.info("draining: no new claims")
            self.runner.drain()
        }
    }

    /// Whether it takes events: registered with the database, connected to it, and not draining.
    ///
    /// For the health page of the program that it is part of; a database that is away is no reason to end that.
    public var isReady: Bool { self.readiness == .ready }

    var readiness: Readiness {
        self.runner.isStopping ? .draining : self.runner.isReady ? .ready : .databaseAway
    }
}
