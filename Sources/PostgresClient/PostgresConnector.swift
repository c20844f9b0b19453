package import Logging
import Synchronization

/// Makes connections, and keeps trying while the database is away.
///
/// Shared by all that connect in a process, so that the log has one line when the database goes and one when it is back,
/// not one per try.
package final class PostgresConnector: Sendable {
    package let configuration: PostgresConfiguration
    private let logger: Logger
    private let away = Mutex<ContinuousClock.Instant?>(nil)

    package init(_ configuration: PostgresConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Since when no connection could be made; nil while the database is there, or has not been tried.
    package var awaySince: ContinuousClock.Instant? { self.away.withLock { $0 } }

    /// One try.
    package func connect() async throws(PostgresError) -> PostgresConnection {
        do throws(PostgresError) {
            let connection = try await PostgresConnection.connect(self.configuration, logger: self.logger)
            if let since = self.away.withLock({ $0.take() }) {
                self.logger.info("database is back", metadata: ["away": "\(ContinuousClock.now - since)"])
            }
            return connection
        } catch {
            let isNews = self.away.withLock { away in
                defer { away = away ?? .now }
                return away == nil
            }
            if isNews {
                self.logger.error("database is away, trying again", metadata: ["error": "\(error)"])
            }
            throw error
        }
    }

    /// Tries until there is a connection, with jittered backoff.
    ///
    /// - Returns: nil when the task was cancelled.
    package func connectPersistently() async -> PostgresConnection? {
        var backoff = Backoff()
        while !Task.isCancelled {
            do throws(PostgresError) {
                return try await self.connect()
            } catch {
                try? await Task.sleep(for: backoff.next())
            }
        }
        return nil
    }
}
