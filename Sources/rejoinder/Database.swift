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
    /// The database that a command works with.
    ///
    /// - Throws: for a variable that libpq can't read.
    static func configuration(_ applicationName: String) throws(SettingError) -> PostgresConfiguration {
        let environment = ProcessInfo.processInfo.environment
        return PostgresConfiguration(
            connectionString: try CommonSettings.databaseURL(in: environment),
            directConnectionString: try CommonSettings.listenURL(in: environment),
            applicationName: applicationName
        )
    }

    /// The same as it is, for the doctor, whose finding it is that it can't be read.
    static func uncheckedConfiguration(_ applicationName: String) -> PostgresConfiguration {
        PostgresConfiguration(
            connectionString: self.given(CommonSettings.databaseURLVariable),
            directConnectionString: self.given(CommonSettings.listenURLVariable),
            applicationName: applicationName
        )
    }

    /// Names a login for what operators do from the dashboard.
    static let operatorVariable = "REJOINDER_OPERATOR_DATABASE_URL"

    /// The database with the login of an operator, where the environment has one.
    ///
    /// - Throws: for a variable that libpq can't read.
    static func operatorConfiguration(_ applicationName: String) throws(SettingError) -> PostgresConfiguration? {
        let environment = ProcessInfo.processInfo.environment
        guard let url = try CommonSettings.connectionString(self.operatorVariable, in: environment) else { return nil }
        return PostgresConfiguration(connectionString: url, applicationName: applicationName)
    }

    /// The same as it is, for the doctor.
    static func uncheckedOperatorConfiguration(_ applicationName: String) -> PostgresConfiguration? {
        self.given(self.operatorVariable).map {
            PostgresConfiguration(connectionString: $0, applicationName: applicationName)
        }
    }

    private static func given(_ variable: String) -> String? {
        CommonSettings.given(variable, in: ProcessInfo.processInfo.environment)
    }

    /// Runs `body` with one connection, with a session of its own unless told otherwise; without one it may lead to a pooler,
    /// which keeps nothing that was prepared.
    static func withConnection(
        _ configuration: PostgresConfiguration,
        needingSession: Bool = true,
        logger: Logger,
        _ body: (PostgresConnection) async throws -> Void
    ) async throws {
        if needingSession { try await PostgresConnection.requireSession(configuration.direct, logger: logger) }
        let connection = try await PostgresConnection.connect(
            needingSession ? configuration.direct : configuration.sessionless.careful,
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
