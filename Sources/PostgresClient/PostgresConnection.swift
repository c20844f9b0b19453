import CLibPQ
import CoreMetrics
package import Logging
import RejoinderMetrics
import Synchronization

/// One connection to PostgreSQL, in pipeline mode.
///
/// An actor on a thread of its own: it blocks there while the server works (measured: 43 to 84 µs for a
/// `select 1`). Once it has failed it stays closed; a new one must be made.
package actor PostgresConnection {
    package nonisolated let thread: ConnectionThread
    private nonisolated let openFlag = Atomic(true)
    private let configuration: PostgresConfiguration
    private let session: Session
    private var prepared: Set<String> = []
    private var onNotification: (@Sendable (PostgresNotification) -> Void)?
    private var onClose: (@Sendable (PostgresError) -> Void)?
    /// What is to be done when it is lost: nil until it is open.
    private var onLoss: (@Sendable () -> Void)?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    /// False once the connection has failed or was closed.
    package nonisolated var isOpen: Bool { self.openFlag.load(ordering: .acquiring) }

    /// Connects, on the connection's own thread.
    ///
    /// `onLoss` is called there when the connection fails after it was open, and must not block.
    ///
    /// - Throws: `.connectionFailed` with libpq's reason, also for a server older than PostgreSQL 13; what the server says
    ///   where it takes the connection and then nothing more.
    package static func connect(
        _ configuration: PostgresConfiguration,
        logger: Logger,
        onLoss: @escaping @Sendable () -> Void = {}
    ) async throws(PostgresError) -> PostgresConnection {
        guard let thread = ConnectionThread() else {
            throw PostgresError(.connectionFailed, "no file descriptor is left, raise the limit (ulimit -n)")
        }
        let connection = PostgresConnection(configuration, on: thread, logger: logger)
        try await connection.open(onLoss)
        return connection
    }

    private init(_ configuration: PostgresConfiguration, on thread: ConnectionThread, logger: Logger) {
        self.thread = thread
        self.configuration = configuration
        self.session = Session(logger: logger)
    }

    private func open(_ onLoss: @escaping @Sendable () -> Void) throws(PostgresError) {
        do throws(PostgresError) {
            try self.session.open(self.configuration)
            self.onLoss = onLoss
        } catch {
            self.close(error)
            throw error
        }
    }

    /// Carries out the calls one after the other, in one round trip, each in a transaction of its own: one that fails
    /// doesn't hurt the others.
    ///
    /// - Returns: a result for each call, in order.
    /// - Throws: when the connection fails. Then nobody knows which of the calls were carried out.
    package func pipeline(
        _ calls: [PostgresCall]
    ) throws(PostgresError) -> [Result<PostgresRows, PostgresError>] {
        guard self.isOpen else { throw PostgresError(.connectionLost, "the connection is closed") }
        do throws(PostgresError) {
            let start = ContinuousClock.now
            DatabaseMetrics.roundTrips.increment()
            defer { DatabaseMetrics.roundTripTime.record(since: start) }
            if self.configuration.isPooled { return try self.oneByOne(calls) }
            var results: [Result<PostgresRows, PostgresError>] = []
            results.reserveCapacity(calls.count)
            var preparing: [Bool] = []
            for call in calls {
                let isNew = self.prepared.insert(call.statement.name).inserted
                preparing.append(isNew)
                try self.session.send(call, preparing: isNew)
            }
            // Of a statement that can't be prepared, the later calls would only say that it doesn't exist.
            var unprepared: [String: PostgresError] = [:]
            for (call, isNew) in zip(calls, preparing) {
                let name = call.statement.name
                let (received, isPrepared) = try self.session.receive(preparing: isNew, until: self.deadline)
                if !isPrepared, case .failure(let error) = received {
                    self.prepared.remove(name)
                    unprepared[name] = error
                }
                let result = unprepared[name].map { .failure($0) } ?? received
                if case .failure(let error) = result, error.isConnectionFailure { throw error }
                results.append(result)
            }
            self.drainNotifications()
            // More of them may have come in the last answer's record.
            if self.session.mayHoldBack, self.onNotification != nil { _ = self.readable() }
            return results
        } catch {
            self.close(error)
            throw error
        }
    }

    /// Each statement has its time, as at the server.
    private var deadline: ContinuousClock.Instant { .now + self.configuration.statementTimeout + .seconds(1) }

    /// For a pooler, which may have forgotten what was prepared and takes a session away between two transactions.
    private func oneByOne(
        _ calls: [PostgresCall]
    ) throws(PostgresError) -> [Result<PostgresRows, PostgresError>] {
        var results: [Result<PostgresRows, PostgresError>] = []
        for call in calls {
            try self.session.send(call, preparing: false, isUnnamed: true)
            let result = try self.session.receive(preparing: false, until: self.deadline).result
            if case .failure(let error) = result, error.isConnectionFailure { throw error }
            results.append(result)
        }
        return results
    }

    /// The server's process, as it was announced at the start; a pooler makes that up.
    var announcedProcess: Int32 { self.session.announcedProcess }

    /// Which of its configuration's hosts it leads to: the name, or the address where it has none, and the port.
    var host: (name: String, port: String) { self.session.host }

    /// How it goes to its server.
    package var transport: PostgresTransport { self.session.transport }

    /// Carries out one call.
    @discardableResult
    package func execute(_ call: PostgresCall) throws(PostgresError) -> PostgresRows {
        guard let result = try self.pipeline([call]).first else {
            throw PostgresError(.unexpectedResult, "the server sent no result")
        }
        return try result.get()
    }

    /// Runs a script of several statements, as one transaction unless it says otherwise.
    ///
    /// For migrations.
    ///
    /// The timeout is for all of it; the session's own, unless the script sets another, for each statement.
    package func run(script: String, timeout: Duration) throws(PostgresError) {
        guard self.isOpen else { throw PostgresError(.connectionLost, "the connection is closed") }
        defer { self.drainNotifications() }
        do throws(PostgresError) {
            try self.session.run(script: script, until: .now + timeout)
        } catch {
            if error.isConnectionFailure { self.close(error) }
            throw error
        }
    }

    /// From now on reads the socket whenever something arrives, and reports notifications and the connection's end.
    ///
    /// Both closures are called on the connection's thread and must not block.
    package func watch(
        onNotification: @escaping @Sendable (PostgresNotification) -> Void,
        onClose: @escaping @Sendable (PostgresError) -> Void
    ) {
        guard self.isOpen, self.onNotification == nil else {
            return onClose(PostgresError(.connectionLost, "the connection is closed"))
        }
        self.onNotification = onNotification
        self.onClose = onClose
        self.thread.watch(self.session.socket) { [weak self] in self?.assumeIsolated { $0.readable() } ?? false }
        self.drainNotifications()
    }

    /// Closes the connection; harmless when it is closed already.
    package func close() {
        self.onLoss = nil
        self.close(PostgresError(.connectionLost, "the connection was closed"))
    }

    /// Reads what has arrived; false when no more is wanted.
    private func readable() -> Bool {
        guard self.isOpen else { return false }
        do throws(PostgresError) {
            try self.session.consumeInput()
            self.drainNotifications()
            if self.session.mayHoldBack {
                repeat { try self.session.consumeInput() } while self.drainNotifications() > 0
            }
        } catch {
            self.close(error)
        }
        return self.isOpen
    }

    /// - Returns: how many there were.
    @discardableResult
    private func drainNotifications() -> Int {
        guard let onNotification else { return 0 }
        var count = 0
        while let notification = self.session.nextNotification() {
            DatabaseMetrics.notifications.increment()
            onNotification(notification)
            count += 1
        }
        return count
    }

    private func close(_ error: PostgresError) {
        guard self.openFlag.exchange(false, ordering: .acquiringAndReleasing) else { return }
        self.thread.endWatch()
        // Not each wait is the server's to end: a commit that a standby is missing for has no time.
        if error.code == .timedOut { self.session.cancelStatement() }
        self.session.finish()
        self.onLoss?()
        self.onLoss = nil
        self.onNotification = nil
        self.onClose?(error)
        self.onClose = nil
    }
}

/// What `pg_notify(channel, payload)` sent.
package struct PostgresNotification: Sendable, Hashable {
    package let channel: String
    package let payload: String
}
