import ArgumentParser
import EventQueue
import Logging
import PostgresClient
import Settings

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Make or update the schema in the database.",
        discussion: "Forward only. Several at once take turns; running it again does nothing."
    )

    func run() async throws {
        try await reportingFailures {
            let logger = Logger.program("rejoinder-migrate", level: .warning)
            try await Database.withConnection(Database.configuration("rejoinder-migrate"), logger: logger) {
                let applied = try await Schema($0).migrate()
                for migration in applied { print("applied migration \(migration.version): \(migration.name)") }
                if applied.isEmpty { print("the schema is up to date") }
            }
        }
    }
}
