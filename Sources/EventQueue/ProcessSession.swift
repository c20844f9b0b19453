package import Logging
package import PostgresClient
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The connection that stands for this process in the queue: it registers, holds the "alive" lock, listens on the
/// process's channel, beats once a second, and does the housekeeping when it holds the maintenance lock.
package final class ProcessSession: Sendable {
    package enum Role: String, Sendable { case ingress, worker }

    /// What the others tell this process, in order.
    package enum Event: Sendable {
        /// Registered under this id, its lanes under theirs. Comes again after each lost connection, with the same id
        /// unless the process had been forgotten. Anything may have been missed since the last event.
        case registered(process: Int32, lanes: [Int32])
        /// To an ingress: these events have come to an end.
        case done([EventID])
        /// To a worker: one of its lanes may find something.
        case wake(lane: Int32)
        /// To a worker: nobody waits for this event any more.
        case cancel(EventID)
        case disconnected
    }

    private struct State {
        var process: Int32?
        var isConnected = false
        var maintains = false
        var isLeaving = false
    }

    private let connector: PostgresConnector
    private let pool: PostgresPool
    private let role: Role
    private let name: String
    private let lanes: [LaneOptions]
    private let logger: Logger
    private let busy: @Sendable () -> Int
    private let onEvent: @Sendable (Event) -> Void
    private let state = Mutex(State())

    /// The connector must reach the server itself: session locks and `LISTEN` don't survive a transaction pooler.
    ///
    /// `busy` says how many slots are in use now. `onEvent` must not block.
    package init(
        connector: PostgresConnector,
        pool: PostgresPool,
        role: Role,
        name: String,
        lanes: [LaneOptions] = [],
        logger: Logger,
        busy: @escaping @Sendable () -> Int = { 0 },
        onEvent: @escaping @Sendable (Event) -> Void
    ) {
        self.connector = connector
        self.pool = pool
        self.role = role
        self.name = name
        self.lanes = lanes
        self.logger = logger
        self.busy = busy
        self.onEvent = onEvent
    }

    /// The id under which it is registered; nil before the first time.
    package var process: Int32? { self.state.withLock { $0.process } }

    /// Registered and connected at this moment.
    package var isConnected: Bool { self.state.withLock { $0.isConnected } }

    /// Runs until the task is cancelled.
    package func run() async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await Maintenance(pool: self.pool, logger: self.logger).run { self.maintains } }
                await PostgresListener(self.connector).run(
                    prepare: { connection throws(PostgresError) in try await self.register(on: connection) },
                    onEvent: { self.handle($0) }
                )
                group.cancelAll()
            }
        } onCancel: {
            self.state.withLock { $0.isLeaving = true }
        }
    }

    /// Takes the process off the queue's books: its lanes go, and what it still holds is given to others.
    ///
    /// Only after `run` has returned.
    package func deregister() async {
        guard let process = self.process else { return }
        var arguments = PostgresArguments()
        arguments.append(process)
        do throws(PostgresError) {
            try await self.pool.execute(PostgresCall(Statements.deregister, arguments))
        } catch {
            self.logger.info("could not deregister, will be found missing", metadata: ["error": "\(error)"])
        }
    }

    private var maintains: Bool { self.state.withLock { $0.maintains && $0.isConnected } }

    private func register(on connection: PostgresConnection) async throws(PostgresError) {
        var arguments = PostgresArguments()
        arguments.append(self.role.rawValue)
        arguments.append(self.name)
        arguments.append(Host.name)
        arguments.append(getpid())
        arguments.append(Version.current)
        arguments.append(jsonb: LaneOptions.json(self.lanes))
        if let process { arguments.append(process) } else { arguments.appendNull() }
        let rows = try await connection.execute(PostgresCall(Statements.register, arguments))
        let process: Int32 = rows.integer(0, 0)
        try await connection.run(script: "listen rejoinder_\(process)", timeout: .seconds(5))
        self.state.withLock {
            $0.process = process
            $0.isConnected = true
        }
        self.onEvent(.registered(process: process, lanes: rows.integers(0, 1)))
    }

    private func handle(_ event: PostgresListener.Event) {
        switch event {
        case .connected(let connection):
            // Ends with its connection: a bridge from the listener's synchronous events.
            Task(name: "heartbeat") { await self.beat(on: connection) }
        case .notification(let notification):
            if let event = Event(payload: notification.payload) { self.onEvent(event) }
        case .disconnected(let error):
            let wasConnected = self.state.withLock { state in
                state.maintains = false
                defer { state.isConnected = false }
                return state.isConnected && !state.isLeaving
            }
            if wasConnected {
                self.logger.warning("lost the queue's session", metadata: ["error": "\(error)"])
                self.onEvent(.disconnected)
            }
        }
    }

    /// Beats once a second until the connection is closed; closes it when the process had been given up as dead, which
    /// makes the listener connect and register again.
    private func beat(on connection: PostgresConnection) async {
        while connection.isOpen, let process, !self.state.withLock({ $0.isLeaving }) {
            var arguments = PostgresArguments()
            arguments.append(process)
            arguments.append(Int32(self.busy()))
            do throws(PostgresError) {
                let rows = try await connection.execute(PostgresCall(Statements.heartbeat, arguments))
                guard rows.bool(0, 0) else {
                    self.logger.warning("this process was given up as dead, registering again")
                    return await connection.close()
                }
                self.state.withLock { $0.maintains = rows.bool(0, 1) }
            } catch {
                return await connection.close()
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }
}

extension ProcessSession.Event {
    /// Reads a notification: `done ID,ID,…`, `wake LANE` or `cancel ID`; nil for anything else, which may come from a
    /// later version.
    init?(payload: String) {
        guard let space = payload.firstIndex(of: " ") else { return nil }
        let rest = payload[payload.index(after: space)...]
        switch payload[..<space] {
        case "done":
            self = .done(rest.split(separator: ",").compactMap { EventID($0) })
        case "wake":
            guard let lane = Int32(rest) else { return nil }
            self = .wake(lane: lane)
        case "cancel":
            guard let id = EventID(rest) else { return nil }
            self = .cancel(id)
        default:
            return nil
        }
    }
}

/// The host's name, as the queue's views show it.
enum Host {
    static let name: String = {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        return buffer.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "unknown" }
    }()
}
