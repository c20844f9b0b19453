import AdminPort
import ArgumentParser
import Doctor
import EventQueue
import Logging
import OTLPTracing
import PostgresClient
import PrometheusMetrics
public import ServiceLifecycle
import Settings
import Synchronization
import Tracing
import UnixSignals

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A worker as a whole program: its handlers, and `@main`.
///
///     @main
///     struct PriceWorker: WorkerProgram {
///         let handlers = Handlers {
///             Handle("price") { event, context in .success("1599") }
///         }
///     }
///
/// It reads `DATABASE_URL` (or libpq's `PG*` variables) and the settings that `--help` lists, drains on SIGTERM and
/// SIGINT, and exits with 78 and one line when it was told something malformed.
public protocol WorkerProgram: Sendable {
    /// Called once, when the program starts: after its settings were read and the database was looked at, before the
    /// worker registers.
    ///
    /// What it throws ends the program with one line and exit code 1. The admin port is open meanwhile, and readiness says
    /// `starting`.
    init() async throws

    /// What the worker does; asked for once.
    var handlers: Handlers { get }

    /// What the handlers need and has a life of its own, such as an HTTP client or a pool of connections; asked for once,
    /// and none unless given.
    ///
    /// They are started with the worker, and shut down when it has drained, the last of them first: a handler that still
    /// runs has them all. What must be there before the first event is made in `init`. When one fails, or returns before it was shut down, the worker drains, and
    /// the program ends with exit code 1.
    var services: [any Service] { get }

    /// What the queue's views call it, unless `REJOINDER_NAME` says otherwise.
    static var name: String { get }
}

extension WorkerProgram {
    /// None.
    public var services: [any Service] { [] }

    /// The program's own name.
    public static var name: String {
        CommandLine.arguments.first.flatMap { $0.split(separator: "/").last.map(String.init) } ?? "worker"
    }

    /// Runs the program.
    @concurrent  // What `@main` looks for; a nonsending one it does not find.
    public static func main() async {
        await WorkerCommand<Self>.main()
    }
}

/// The command line of a worker program.
struct WorkerCommand<Program: WorkerProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Program.name,
            abstract: "A Rejoinder worker.",
            discussion: """
                DATABASE_URL is any libpq connection string or URI; without it libpq's PG* variables rule. Each option is \
                also an environment variable, such as REJOINDER_SLOTS for --slots.
                """,
            version: Version.current
        )
    }

    @Option(help: ArgumentHelp(stringLiteral: WorkerSettings.slots.help))
    var slots: String?

    @Option(help: ArgumentHelp(stringLiteral: WorkerSettings.name.help))
    var name: String?

    @Option(help: ArgumentHelp(stringLiteral: WorkerSettings.adminHost.help))
    var adminHost: String?

    @Option(help: ArgumentHelp(stringLiteral: WorkerSettings.adminPort.help))
    var adminPort: String?

    @Option(help: ArgumentHelp(stringLiteral: CommonSettings.logLevel.help))
    var logLevel: String?

    @Option(help: ArgumentHelp(stringLiteral: CommonSettings.logFormat.help))
    var logFormat: String?

    func run() async throws {
        do {
            try await self.runWorker()
        } catch let error as SettingError {
            StandardError.print("\(Program.name): \(error)")
            throw ExitCode(SettingError.exitCode)
        } catch let error as AdminPortError {
            let (host, port) = (WorkerSettings.adminHost, WorkerSettings.adminPort)
            let remedy =
                switch error.culprit {
                case .host?: ", choose another: \(host.option) or \(host.variable)"
                case .port?: ", choose another: \(port.option) or \(port.variable)"
                case nil: ""
                }
            StandardError.print("\(Program.name): \(error)\(remedy)")
            throw ExitCode(1)
        } catch let error as QueueError {
            StandardError.print("\(Program.name): \(error)")
            throw ExitCode(error.isOfConfiguration ? SettingError.exitCode : 1)
        }
    }

    private func runWorker() async throws {
        let environment = ProcessInfo.processInfo.environment
        let settings = SettingsReader(
            options: [
                WorkerSettings.slots.key: self.slots, WorkerSettings.name.key: self.name,
                WorkerSettings.adminHost.key: self.adminHost, WorkerSettings.adminPort.key: self.adminPort,
                CommonSettings.logLevel.key: self.logLevel, CommonSettings.logFormat.key: self.logFormat,
            ],
            environment: environment
        )
        let name = try settings.optional(WorkerSettings.name) ?? Program.name
        let logger = Logger.program(
            name,
            level: try settings.required(CommonSettings.logLevel),
            format: try settings.required(CommonSettings.logFormat)
        )
        for variable in CommonSettings.unknownVariables(in: environment) {
            logger.warning("a variable that nothing reads, is it mistyped?", metadata: ["variable": "\(variable)"])
        }
        // Before anything is measured or traced, by handlers too.
        let admin = try settings.optional(WorkerSettings.adminPort).map { (port: $0, PrometheusMetrics.bootstrapped()) }
        let traces = try OTLPExporter(environment: environment, service: name, name: name, logger: logger)
        if let traces { InstrumentationSystem.bootstrap(traces.tracer) }
        let database = PostgresConfiguration(
            connectionString: try CommonSettings.databaseURL(in: environment),
            directConnectionString: try CommonSettings.listenURL(in: environment),
            applicationName: name
        )
        let slots = try settings.required(WorkerSettings.slots)
        do {
            try await Self.preflight(database, logger)
        } catch let error as PostgresError {
            // Away is not wrong: the worker waits for it.
            logger.warning("starting without the database", metadata: ["error": "\(error)"])
        }
        let started = Mutex<Worker?>(nil)
        // They are shut down in the opposite order.
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = []
        if let traces { services.append(.init(service: traces)) }
        if let (port, metrics) = admin {
            let host = try settings.required(WorkerSettings.adminHost)
            // Open before the program makes what it needs and the worker registers, which they don't where the port is taken.
            // It ends after the worker, and says until then that that is draining.
            let adminPort = try await Worker.adminPort(
                host: host,
                port: port,
                logger: logger,
                metrics: { metrics.text() },
                readiness: { started.withLock { $0?.readiness } ?? .starting }
            )
            services.append(.init(service: adminPort))
        }
        let program = try await Self.program()
        services += program.services.map { ProgramService($0, logger: logger).configuration }
        let worker = Worker(
            handlers: program.handlers,
            database: database,
            name: name,
            slots: slots,
            followsIngress: true,
            logger: logger
        )
        started.withLock { $0 = worker }
        // It ends in order when an operator drains it.
        services.append(.init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup))
        var configuration = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        // It ends as soon as its handlers have, by their deadlines at the latest.
        configuration.maximumGracefulShutdownDuration = NewEvent.longestDeadline + .seconds(3)
        configuration.maximumCancellationDuration = .seconds(5)
        // Beside the work, which it never holds up.
        async let examination: Void = Examination(database, logger: logger).log()
        try await ServiceGroup(configuration: configuration).run()
        await examination
    }

    /// Whether the database can be reached and has the schema.
    ///
    /// - Throws: the one-line reason, with what to do.
    private static func preflight(_ database: PostgresConfiguration, _ logger: Logger) async throws {
        let connection = try await PostgresConnection.connect(database.direct.careful, logger: logger)
        do throws(QueueError) {
            try await Schema(connection).check(for: .worker)
        } catch {
            throw error.whileAway ?? error
        }
        await connection.close()
    }

    private static func program() async throws -> Program {
        // It may wait for something that is away; and as the first process of a container it would ignore them.
        let ending = Task(name: "signals") {
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                Self.exit(withError: ExitCode.success)
            }
        }
        defer { ending.cancel() }
        do {
            return try await Program()
        } catch {
            let reason = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
            StandardError.print("\(Program.name): can't start: \(reason)")
            throw ExitCode(1)
        }
    }
}

/// What a worker program can be told, beside the common settings.
enum WorkerSettings {
    static let slots = Setting.integer(
        "slots",
        help:
            "How many events handlers of the same attempts and guarantee handle at once. Default: \(Worker.defaultSlots).",
        in: 1...10_000,
        default: Worker.defaultSlots
    )
    static let name = Setting.text(
        "name",
        help: "What the queue's views call this worker. Default: the program's name."
    )
    static let adminHost = Setting.text(
        "admin.host",
        help: "Address of the admin port. Default: 127.0.0.1.",
        default: "127.0.0.1"
    )
    static let adminPort = Setting.integer(
        "admin.port",
        help: "Private port, for health and metrics; 0 for any free one. Default: none.",
        in: 0...65535,
        default: nil
    )
}
