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
        let environment = ProcessInfo.processInfo.environment
        return PostgresConfiguration(
            connectionString: CommonSettings.databaseURL(in: environment),
            directConnectionString: CommonSettings.listenURL(in: environment),
            applicationName: applicationName
        )
    }

    /// Names a login for what operators do from the dashboard.
    static let operatorVariable = "REJOINDER_OPERATOR_DATABASE_URL"

    /// The database with the login of an operator, where the environment has one.
    static func operatorConfiguration(_ applicationName: String) -> PostgresConfiguration? {
        guard let url = ProcessInfo.processInfo.environment[self.operatorVariable], !url.isEmpty else { return nil }
        return PostgresConfiguration(connectionString: url, applicationName: applicationName)
    }

    /// Runs `body` with one connection, with a session of its own unless told otherwise.
    static func withConnection(
        _ configuration: PostgresConfiguration,
        needingSession: Bool = true,
        logger: Logger,
        _ body: (PostgresConnection) async throws -> Void
    ) async throws {
        if needingSession { try await PostgresConnection.requireSession(configuration.direct, logger: logger) }
        let connection = try await PostgresConnection.connect(
            needingSession ? configuration.direct : configuration.sessionless,
            logger: logger
        )
        do {
            try await body(connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }
}
