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

/// The connection that stands for this process in the queue: it registers, holds the "alive" lock, beats once a second, and
/// does the housekeeping when it holds the maintenance lock.
///
/// Apart from the connection that carries the events, so that a long batch there doesn't make the process look dead.
package final class ProcessSession: Sendable {
    /// How often one looks where nobody can be called: by way of a transaction pooler.
    static let pollInterval = Duration.milliseconds(50)

    package enum Role: String, Sendable { case ingress, worker }

    /// As the queue knows the process: comes again after each lost connection, with new lanes, and with the same id unless
    /// the database has lost that and given it to another.
    package struct Registration: Sendable, Hashable {
        package let process: Int32
        package let lanes: [Int32]
        /// Where the process is told what happens: what is notified there holds payloads and answers, so that nobody else
        /// may know it.
        let channel: String

        /// Listens there.
        var listen: PostgresCall {
            var arguments = PostgresArguments()
            arguments.append(self.channel)
            return PostgresCall(Statements.listen, arguments)
        }
    }

    /// What a heartbeat brings.
    package struct Beat: Sendable, Hashable {
        /// The process's lanes need not listen while they are idle.
        let isSpare: Bool
        /// An operator wants the process to stop in order.
        let isDraining: Bool
        /// The nodes that are paused, and whose callers are not let in.
        let refused: [String]
    }

    private struct State {
        var registration: Registration?
        var isConnected = false
        /// A heartbeat has gone through since it connected.
        var hasBeaten = false
        var maintains = false
        var isLeaving = false
    }

    private let connector: PostgresConnector
    private let pool: PostgresPool
    private let role: Role
    private let name: String
    /// Tells this process from another that has been given its id.
    private let instance = Int64.random(in: .min ... .max)
    private let lanes: [LaneOptions]
    private let logger: Logger
    private let incidents: IncidentLog
    private let busy: @Sendable () -> Int
    private let onRegistered: @Sendable () -> Void
    private let onBeat: @Sendable (Beat) -> Void
    private let state = Mutex(State())

    /// Where the connector reaches a transaction pooler only, the process lives by its heartbeat alone.
    ///
    /// What is noted in `incidents` goes to the database once a second. `busy` says how many slots are in use now.
    /// `onRegistered` is called after each registration, `onBeat` after each heartbeat; they must not block.
    package init(
        connector: PostgresConnector,
        pool: PostgresPool,
        role: Role,
        name: String,
        lanes: [LaneOptions] = [],
        incidents: IncidentLog,
        logger: Logger,
        busy: @escaping @Sendable () -> Int = { 0 },
        onRegistered: @escaping @Sendable () -> Void,
        onBeat: @escaping @Sendable (Beat) -> Void
    ) {
        self.connector = connector
        self.pool = pool
        self.role = role
        self.name = name
        self.lanes = lanes
        self.incidents = incidents
        self.logger = logger
        self.busy = busy
        self.onRegistered = onRegistered
        self.onBeat = onBeat
    }

    /// The latest registration; nil before the first.
    package var registration: Registration? { self.state.withLock { $0.registration } }

    /// Registered and connected at this moment.
    package var isConnected: Bool { self.state.withLock { $0.isConnected } }

    /// Runs until the task is cancelled.
    package func run() async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.tellIncidents() }
                group.addTask { await Maintenance(pool: self.pool, logger: self.logger).run { self.maintains } }
                await PostgresListener(self.connector).run(
                    prepare: { connection throws(PostgresError) in
                        do throws(PostgresError) {
                            try await self.register(on: connection)
                        } catch {
                            self.refused(error)
                            throw error
                        }
                    },
                    onEvent: { self.handle($0) },
                    body: { await self.beat(on: $0) }
                )
                group.cancelAll()
            }
        } onCancel: {
            self.state.withLock { $0.isLeaving = true }
        }
    }

    /// Takes the process off the queue's books: its lanes go, and what it still holds is given to others.
    ///
    /// Only after `run` has returned. Where the database is away it is found missing: each try to connect takes its time.
    package func deregister() async {
        guard self.connector.awaySince == nil, let process = self.registration?.process else { return }
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
        if let process = self.registration?.process { arguments.append(process) } else { arguments.appendNull() }
        arguments.append(!self.connector.lacksSessions)
        arguments.append(self.instance)
        let rows = try await connection.execute(PostgresCall(Statements.register, arguments))
        self.state.withLock {
            $0.registration = Registration(
                process: rows.integer(0, 0),
                lanes: rows.integers(0, 1),
                channel: rows.string(0, 2)
            )
            $0.isConnected = true
        }
        self.connector.worked(.registering)
        self.onRegistered()
    }

    /// Without a registration nothing can be done: the database counts as away, and the log has a line of it.
    private func refused(_ error: PostgresError) {
        guard error.code == .server, !self.connector.failed(error, at: .registering), !error.isTransient else { return }
        self.connector.refused(.registering, error)
    }

    private func handle(_ event: PostgresListener.Event) {
        guard case .disconnected(let error) = event else { return }
        // One that takes registrations but no heartbeats, as a server with a full disk may, is lost once, not each second.
        let wasAlive = self.state.withLock { state in
            state.maintains = false
            defer { (state.isConnected, state.hasBeaten) = (false, false) }
            return state.hasBeaten && !state.isLeaving
        }
        if wasAlive, !self.connector.refuses {
            self.logger.warning("lost the queue's session", metadata: ["error": "\(error)"])
        }
    }

    /// Beats once a second until the connection is closed; returns when the process had been given up as dead, which makes
    /// the listener connect and register again.
    private func beat(on connection: PostgresConnection) async {
        while connection.isOpen, let process = self.registration?.process, !self.state.withLock({ $0.isLeaving }) {
            var arguments = PostgresArguments()
            arguments.append(process)
            arguments.append(Int32(self.busy()))
            do throws(PostgresError) {
                let rows = try await connection.execute(PostgresCall(Statements.heartbeat, arguments))
                guard rows.bool(0, 0) else {
                    self.logger.warning("this process was given up as dead, registering again")
                    return
                }
                self.state.withLock { state in
                    state.maintains = rows.bool(0, 1)
                    state.hasBeaten = true
                }
                self.onBeat(
                    Beat(isSpare: rows.bool(0, 2), isDraining: rows.bool(0, 3), refused: rows.strings(0, 4))
                )
            } catch {
                return
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Tells what went wrong, once a second; what is not taken is told later.
    ///
    /// Not on the session's connection: a server with a full disk refuses this, and that must not cost the session.
    private func tellIncidents() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            // Which may be one and the same.
            let lost = self.connector.takeLost() + self.pool.connector.takeLost()
            self.incidents.note(.connectionLost, lost)
            guard self.isConnected, let process = self.registration?.process else { continue }
            let entries = self.incidents.take()
            guard !entries.isEmpty else { continue }
            do throws(PostgresError) {
                try await self.pool.execute(.noteIncidents(entries, process: process))
            } catch {
                self.incidents.putBack(entries)
                self.logger.debug("incidents were not noted", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(10))
            }
        }
    }
}

extension PostgresCall {
    fileprivate static func noteIncidents(_ entries: [IncidentLog.Entry], process: Int32) -> PostgresCall {
        let now = ContinuousClock.now
        var arguments = PostgresArguments()
        arguments.append(process)
        arguments.append(entries.map(\.incident.about))
        arguments.append(entries.map(\.incident.code))
        arguments.append(entries.map(\.incident.node))
        arguments.append(entries.map { Int32(clamping: $0.number) })
        arguments.append(entries.map { Int32(clamping: (now - $0.at).milliseconds) })
        return PostgresCall(Statements.noteIncidents, arguments)
    }
}

extension PostgresConnector.Work {
    static let registering = Self("registering")
    static let enqueuing = Self("enqueuing")
    static let claiming = Self("claiming")
    static let answering = Self("answering")
}

/// The host's name, as the queue's views show it.
package enum Host {
    package static let name: String = {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        return buffer.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "unknown" }
    }()
}
