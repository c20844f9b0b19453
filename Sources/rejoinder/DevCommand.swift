import ArgumentParser
import Dashboard
import EventQueue
import LocalPostgres
import Logging
import PostgresClient
import PrometheusMetrics
import RejoinderIngress
import ServiceLifecycle
import Settings
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Everything in one terminal: a private PostgreSQL, the ingress, and workers.",
        discussion: """
            Without a worker's command it runs the sample, product-price-worker. With one, such as \
            `rejoinder dev -- swift run my-worker`, it runs that, and again when it ends. REJOINDER_SECRET and \
            REJOINDER_OPERATOR_TOKEN are "test" unless set.
            """
    )

    @Option(help: "Where PostgreSQL's data and log are kept.")
    var directory = ".rejoinder/data"

    @Option(help: "How many worker processes.")
    var workers = 1

    @OptionGroup var flags: IngressFlags

    @Argument(parsing: .postTerminator, help: "The worker's command.")
    var command: [String] = []

    func validate() throws {
        guard (0...100).contains(self.workers) else {
            throw ValidationError("--workers is \(self.workers), expected 0 to 100")
        }
    }

    func run() async throws {
        try await reportingFailures {
            Self.forgetDatabase()
            var environment = ProcessInfo.processInfo.environment
            let (given, _) = try self.flags.read(environment: environment)
            if try IngressSettings.secrets(given).isEmpty { environment[IngressSettings.secret.variable] = "test" }
            let isOurToken = try IngressSettings.dashboard(given).token == nil
            if isOurToken { environment[IngressSettings.operatorToken.variable] = "test" }
            let (reader, file) = try self.flags.read(environment: environment)
            let options = try self.flags.options(reader, file, environment: environment)
            let dashboard = try IngressSettings.dashboard(reader)
            let logger = try self.flags.logger("dev", reader)

            let postgres = LocalPostgres(directory: self.directory, exitAction: .stop)
            try await postgres.start()
            do {
                let hint = isOurToken ? " (to act, sign in with the token test)" : ""
                try await self.serve(postgres, (options, dashboard, hint), environment, logger)
            } catch {
                try await postgres.stop()
                guard let why = await PortCheck(options).explanation(of: error) else { throw error }
                throw Refusal(why)
            }
            try await postgres.stop()
        }
    }

    /// What the shell says of other databases has no say in this one's connections, nor in those of the workers.
    private static func forgetDatabase() {
        for name in ProcessInfo.processInfo.environment.keys where name.hasPrefix("PG") { unsetenv(name) }
    }

    private func serve(
        _ postgres: LocalPostgres,
        _ options: (ingress: IngressOptions, dashboard: DashboardOptions, hint: String),
        _ environment: [String: String],
        _ logger: Logger
    ) async throws {
        // Before the first connection, which is measured.
        let metrics = PrometheusMetrics.bootstrapped()
        let url = try postgres.connectionString(database: "postgres")
        let database = PostgresConfiguration(connectionString: url, applicationName: "rejoinder-dev")
        try await Database.withConnection(database, logger: logger) {
            // As it is from PostgreSQL 15 on.
            try await $0.run(script: "revoke create on schema public from public", timeout: .seconds(5))
            try await Schema($0).migrate()
            for role in [QueueRole.ingress, .worker] { try await Self.makeLogin(role, on: $0) }
        }
        StandardOutput.print("DATABASE_URL='\(url)'")

        // As in production: neither may do more than its job.
        let member = PostgresConfiguration(
            connectionString: try postgres.connectionString(user: Self.login(.ingress)),
            applicationName: "rejoinder-dev"
        )
        let workerURL = try postgres.connectionString(user: Self.login(.worker))
        let dashboard = Dashboard(options.dashboard, database: member, operatorDatabase: database, logger: logger)
        let workerPorts = try await FreePort.numbers(self.workers)
        var ingress = Ingress(
            options: options.ingress,
            database: member,
            name: "dev",
            logger: logger
        ) { port, adminPort in
            let pages = ([adminPort] + workerPorts).map { "http://127.0.0.1:\($0)/metrics" }
            StandardOutput.print(
                """
                calls:     http://127.0.0.1:\(port)\(options.ingress.endpoints.first?.path ?? "")
                dashboard: http://127.0.0.1:\(adminPort)/\(options.hint)
                health:    http://127.0.0.1:\(adminPort)/health/ready
                metrics:   \(pages.joined(separator: " "))
                queue:     psql '\(url)' -c 'select * from rejoinder.overview'
                Ctrl-C ends it.
                """
            )
        } metrics: {
            metrics.text()
        }
        ingress.adminPages = dashboard
        var workerEnvironment = environment
        workerEnvironment["DATABASE_URL"] = workerURL
        workerEnvironment[IngressSettings.operatorToken.variable] = nil
        workerEnvironment[CommonSettings.listenURLVariable] = ""
        let workers = self.workers(on: workerPorts, workerEnvironment, logger)
        var configuration = ServiceGroupConfiguration(
            services: try [dashboard] + workers + ingress.services(),
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = .seconds(35)
        configuration.maximumCancellationDuration = .seconds(5)
        try await ServiceGroup(configuration: configuration).run()
    }

    private func workers(on ports: [Int], _ environment: [String: String], _ logger: Logger) -> [WorkerProcess] {
        ports.map { port in
            var environment = environment
            environment["REJOINDER_ADMIN_HOST"] = "127.0.0.1"
            environment["REJOINDER_ADMIN_PORT"] = "\(port)"
            return WorkerProcess(
                command: self.command.isEmpty ? [WorkerProcess.sample] : self.command,
                environment: environment,
                logger: logger
            )
        }
    }

    private static func login(_ role: QueueRole) -> String { "dev_\(role.rawValue)" }

    private static func makeLogin(_ role: QueueRole, on connection: PostgresConnection) async throws {
        let script = """
            do $$ begin
                create role \(self.login(role)) login;
            exception when duplicate_object then null; -- of an earlier run
            end $$
            """
        try await connection.run(script: script, timeout: .seconds(10))
        try await role.grant(to: self.login(role), on: connection)
    }
}
