import CoreMetrics
package import Logging
import Synchronization

/// Makes connections, and keeps trying while the database is away.
///
/// Shared by all that connect in a process, so that the log has one line when the database goes and one when it is back,
/// not one per try. A database can be away though it takes connections: its disk is full, it has become a standby. Then only
/// a statement can say that it is back.
package final class PostgresConnector: Sendable {
    package let configuration: PostgresConfiguration
    private let logger: Logger
    private let away = Mutex<Away?>(nil)
    /// Whether a connection has a session of its own; nil while that is unknown.
    private let hasSessions: Mutex<Bool?>
    private let lost = Mutex(0)
    /// Since when no further connection could be made.
    private let lacksMore = Mutex<(since: ContinuousClock.Instant, isSaid: Bool)?>(nil)
    /// The same as `configuration`, but that the host that took the latest connection is tried first: one that has vanished
    /// would cost every connection its whole patience.
    private let current: Mutex<PostgresConfiguration>

    /// What a database may refuse to do though it takes connections, and does other things.
    package struct Work: Sendable, Hashable {
        private let name: String

        package init(_ name: String) {
            self.name = name
        }
    }

    private struct Away {
        let since: ContinuousClock.Instant
        /// What it refuses; empty where it takes no connections.
        var refused: Set<Work>
    }

    /// With `needingSessions`, it finds out whether the address leads to a transaction pooler: see `lacksSessions`.
    package init(_ configuration: PostgresConfiguration, needingSessions: Bool = false, logger: Logger) {
        self.configuration = configuration
        self.current = Mutex(configuration)
        self.logger = logger
        self.hasSessions = Mutex(needingSessions ? nil : true)
        DatabaseMetrics.begin()
    }

    /// One for what needs a session, and one for the rest: the same, unless there is a pooler to go by.
    package static func pair(
        _ configuration: PostgresConfiguration,
        logger: Logger
    ) -> (direct: PostgresConnector, sessionless: PostgresConnector) {
        let direct = PostgresConnector(configuration.direct, needingSessions: true, logger: logger)
        guard configuration.directConnectionString != nil else { return (direct, direct) }
        return (direct, PostgresConnector(configuration.sessionless, logger: logger))
    }

    /// One for what is done now and then, for people: it goes by the pooler where there is one, said to be one or not.
    package static func forLooks(_ configuration: PostgresConfiguration, logger: Logger) -> PostgresConnector {
        let configuration = configuration.sessionless
        return PostgresConnector(configuration, needingSessions: !configuration.isPooled, logger: logger)
    }

    /// Since when no connection could be made, or what it is asked to do has been refused; nil while the database is there,
    /// or has not been tried.
    package var awaySince: ContinuousClock.Instant? { self.away.withLock { $0?.since } }

    /// Whether it refused something that it was asked to do, and has not done since.
    package var refuses: Bool { self.away.withLock { !($0?.refused.isEmpty ?? true) } }

    /// Whether it refused this, and has not done it since.
    package func refuses(_ work: Work) -> Bool { self.away.withLock { $0?.refused.contains(work) ?? false } }

    /// A statement has failed; returns whether that needs no line in the log, since it has one.
    ///
    /// Where the server refuses all such statements for now, the database counts as away until such work is done.
    package func failed(_ error: PostgresError, at work: Work) -> Bool {
        guard error.isRefusal else { return self.refuses }
        self.refused(work, error)
        return true
    }

    /// What such work needs is not there: the database counts as away until it is done.
    package func refused(_ work: Work, _ error: PostgresError) { self.leaves(error, refusing: [work]) }

    /// Such work is done.
    package func worked(_ work: Work) {
        let back: Away? = self.away.withLock { away in
            guard away?.refused.remove(work) != nil, away?.refused.isEmpty ?? false else { return nil }
            return away.take()
        }
        if let back { self.saysBack(since: back.since) }
    }

    private func leaves(_ error: PostgresError, refusing work: Set<Work>) {
        let isNews = self.away.withLock { away in
            let isNews = away == nil
            var left = away ?? Away(since: .now, refused: [])
            left.refused.formUnion(work)
            away = left
            return isNews
        }
        if isNews { self.logger.error("database is away, trying again", metadata: ["error": "\(error)"]) }
    }

    private func saysBack(since: ContinuousClock.Instant) {
        self.logger.info("database is back", metadata: ["away": "\(ContinuousClock.now - since)"])
    }

    /// What needs a session has none, since the address leads to a transaction pooler: it must poll.
    package var lacksSessions: Bool { self.hasSessions.withLock { $0 == false } }

    private func findOutAboutSessions() async throws(PostgresError) {
        guard self.hasSessions.withLock({ $0 == nil }) else { return }
        let lacksSession = try await PostgresConnection.lacksSession(self.configuration, logger: self.logger)
        let isNews = self.hasSessions.withLock { hasSessions in
            defer { hasSessions = !lacksSession }
            return hasSessions == nil
        }
        guard lacksSession, isNews else { return }
        self.logger.warning(
            """
            this address leads to a pooler that gives each transaction another session, so that nobody can be called: \
            polling, which is slower; set REJOINDER_LISTEN_URL to PostgreSQL itself
            """
        )
    }

    /// One try, for a connection that comes beside those that are always there: that it can't be made doesn't mean that the
    /// database is away.
    package func connect() async throws(PostgresError) -> PostgresConnection {
        do throws(PostgresError) {
            let connection = try await self.attempt()
            self.lacksMore.withLock { $0 = nil }
            return connection
        } catch {
            self.lacks(error)
            throw error
        }
    }

    /// Says it once, where it lasts, unless the database is away altogether: that has a line of its own.
    private func lacks(_ error: PostgresError) {
        let now = ContinuousClock.now
        let isNews = self.lacksMore.withLock { lack in
            guard let since = lack?.since else {
                lack = (now, isSaid: false)
                return false
            }
            guard lack?.isSaid == false, now - since >= .seconds(1), self.awaySince == nil else { return false }
            lack = (since, isSaid: true)
            return true
        }
        if isNews { self.logger.error("can't make another connection, trying again", metadata: ["error": "\(error)"]) }
    }

    private func attempt() async throws(PostgresError) -> PostgresConnection {
        do throws(PostgresError) {
            try await self.findOutAboutSessions()
            let configuration = self.current.withLock { $0 }
            let connection = try await PostgresConnection.connect(
                self.lacksSessions ? configuration.careful : configuration,
                logger: self.logger,
                onLoss: { [weak self] in
                    DatabaseMetrics.connectionsLost.increment()
                    self?.lost.withLock { $0 += 1 }
                }
            )
            let host = await connection.host
            self.current.withLock { $0 = $0.trying(first: host) }
            let back = self.away.withLock { $0?.refused.isEmpty ?? false ? $0.take() : nil }
            if let back { self.saysBack(since: back.since) }
            DatabaseMetrics.connectionsMade.increment()
            return connection
        } catch {
            DatabaseMetrics.connectionsFailed.increment()
            throw error
        }
    }

    /// How many of its connections were lost since this was last asked.
    package func takeLost() -> Int {
        self.lost.withLock { lost in
            defer { lost = 0 }
            return lost
        }
    }

    /// Tries until there is a connection, with jittered backoff; the database is away meanwhile.
    ///
    /// - Returns: nil when the task was cancelled.
    package func connectPersistently() async -> PostgresConnection? {
        var backoff = Backoff()
        while !Task.isCancelled {
            do throws(PostgresError) {
                return try await self.attempt()
            } catch {
                self.leaves(error, refusing: [])
                try? await Task.sleep(for: backoff.next())
            }
        }
        return nil
    }
}
