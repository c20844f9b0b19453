import ArgumentParser
import EventQueue
import Logging
import PostgresClient
import Settings

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "One screen: the queue by node, the workers, the last failures."
    )

    func run() async throws {
        try await reportingFailures {
            let logger = Logger.program("rejoinder-status", level: .warning)
            let database = Database.configuration("rejoinder-status")
            try await Database.withConnection(database, needingSession: false, logger: logger) {
                try await Schema($0).check()
                for table in try await QueueStatus($0).tables() { print(Self.rendered(table)) }
            }
        }
    }

    /// The table with its columns aligned.
    static func rendered(_ table: QueueStatus.Table) -> String {
        guard !table.rows.isEmpty else { return "\(table.title): \(table.empty)\n" }
        let rows = [table.columns] + table.rows
        let widths = table.columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return "  " + cells.joined(separator: "  ")
        }
        return "\(table.title)\n" + lines.joined(separator: "\n") + "\n"
    }
}
