import ArgumentParser
import EventQueue

/// The command-line tool.
@main
struct Rejoinder: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rejoinder",
        abstract: "Answers Haptik's webhook calls by way of a PostgreSQL queue and your workers.",
        discussion: """
            DATABASE_URL is any libpq connection string or URI; without it libpq's PG* variables rule. Each option is also \
            an environment variable (--http-port is REJOINDER_HTTP_PORT) and a key of the configuration file (http.port).
            """,
        version: Version.current,
        subcommands: [
            MigrateCommand.self, GrantCommand.self, IngressCommand.self, DevCommand.self, SendCommand.self,
            LoadCommand.self, HealthCommand.self,
        ],
        groupedSubcommands: [
            CommandGroup(
                name: "See and steer",
                subcommands: [
                    StatusCommand.self, DoctorCommand.self, NodesCommand.self, EventsCommand.self, EventCommand.self,
                    WorkersCommand.self, AuditCommand.self, AnswerCommand.self, CancelCommand.self, RetryCommand.self,
                    PauseCommand.self, ResumeCommand.self, LimitCommand.self, DrainCommand.self,
                ]
            )
        ]
    )
}
