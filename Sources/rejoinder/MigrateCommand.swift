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
                let schema = Schema($0)
                let applied = try await schema.migrate()
                for migration in applied { print("applied migration \(migration.version): \(migration.name)") }
                if applied.isEmpty { print("the schema is up to date") }
                let missing = try await schema.missingRoles().map { "create role \($0.name)" }
                guard !missing.isEmpty else { return }
                StandardError.print(
                    """
                    rejoinder: this login may not create roles, so only the schema's owner can use the queue; for others, let \
                    an administrator run `\(missing.joined(separator: "; "))`, and then run `rejoinder migrate` again
                    """
                )
            }
        }
    }
}
