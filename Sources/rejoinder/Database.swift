import EventQueue
import Logging
import PostgresClient
import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The database that the environment names.
struct Database {
    static func configuration(_ applicationName: String) -> PostgresConfiguration {
        PostgresConfiguration(
            connectionString: CommonSettings.databaseURL(in: ProcessInfo.processInfo.environment),
            applicationName: applicationName
        )
    }

    /// Runs `body` with one connection.
    static func withConnection(
        _ configuration: PostgresConfiguration,
        logger: Logger,
        _ body: (PostgresConnection) async throws -> Void
    ) async throws {
        let connection = try await PostgresConnection.connect(configuration, logger: logger)
        do {
            try await body(connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }
}
