import Logging
import PostgresClient

/// The connection that the checks look by, one after the other.
///
/// A statement that takes too long closes it: the next check gets a new one.
struct CheckConnection: Sendable {
    private let configuration: PostgresConfiguration
    private let logger: Logger
    /// Nil once none can be made any more.
    private var connection: PostgresConnection?

    init(_ connection: PostgresConnection, _ configuration: PostgresConfiguration, logger: Logger) {
        self.connection = connection
        self.configuration = configuration
        self.logger = logger
    }

    /// What a check finds, by its name.
    mutating func findings(
        _ check: String,
        _ look: (PostgresConnection) async -> [Finding]
    ) async -> [Finding] {
        if self.connection?.isOpen == false {
            self.connection = try? await PostgresConnection.connect(self.configuration, logger: self.logger)
        }
        guard let connection else { return [Finding(check, .skipped, "the database can't be reached any more")] }
        return await look(connection)
    }

    func close() async {
        await self.connection?.close()
    }
}
