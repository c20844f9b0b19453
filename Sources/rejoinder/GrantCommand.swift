import ArgumentParser
import EventQueue
import Logging
import PostgresClient
import Settings

struct GrantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant",
        abstract: "Let a login of PostgreSQL do one job in the queue: ingress, worker, operator or reader.",
        discussion: """
            Makes the login a member of the role that `rejoinder migrate` made for the job, such as rejoinder_worker. It \
            does not create the login: `create role LOGIN login password '...'` does. DATABASE_URL must be of somebody \
            who may grant roles.
            """
    )

    @Argument(help: "The login.")
    var login: String

    @Argument(help: "ingress, worker, operator or reader.")
    var role: String

    func run() async throws {
        try await reportingFailures {
            guard let role = QueueRole(rawValue: self.role) else {
                let known = QueueRole.allCases.map(\.rawValue).joined(separator: ", ")
                throw SettingError("there is no role \"\(self.role)\", expected one of \(known)")
            }
            let logger = Logger.program("rejoinder-grant", level: .warning)
            let database = try Database.configuration("rejoinder-grant")
            try await Database.withConnection(database, needingSession: false, logger: logger) {
                let isNew = try await role.grant(to: self.login, on: $0)
                print("\(self.login) is \(isNew ? "now" : "already") a member of \(role.name)")
            }
        }
    }
}
