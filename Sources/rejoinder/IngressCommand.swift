import ArgumentParser
import Dashboard
import Doctor
import EventQueue
import Logging
import OTLPTracing
import PostgresClient
import PrometheusMetrics
import RejoinderIngress
import ServiceLifecycle
import Settings
import Tracing
import UnixSignals

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct IngressCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ingress",
        abstract: "Receive Haptik's calls, and reply with what the workers answer.",
        discussion: """
            REJOINDER_SECRET holds the secret of the endpoint /webhook, or several, separated by commas, while one is \
            being replaced; REJOINDER_SECRET_FILE a file with it. A configuration file adds endpoints. On SIGHUP the files \
            are read again, and the endpoints replaced.
            """
    )

    @OptionGroup var flags: IngressFlags

    func run() async throws {
        try await reportingFailures {
            let hangUps = await UnixSignalsSequence(trapping: .sighup)
            let environment = ProcessInfo.processInfo.environment
            let (reader, file) = try self.flags.read(environment: environment)
            let options = try self.flags.options(reader, file, environment: environment)
            let name = try reader.required(IngressSettings.name)
            let logger = try self.flags.logger("ingress", reader)
            for variable in CommonSettings.unknownVariables(in: environment) {
                logger.warning("a variable that nothing reads, is it mistyped?", metadata: ["variable": "\(variable)"])
            }
            // Before the first connection, which is measured.
            let metrics = PrometheusMetrics.bootstrapped()
            let traces = try OTLPExporter(
                environment: environment,
                service: "rejoinder-ingress",
                name: name,
                logger: logger
            )
            if let traces { InstrumentationSystem.bootstrap(traces.tracer) }
            let database = try Database.configuration("rejoinder-\(name)")
            do {
                try await Database.withConnection(database.direct.careful, needingSession: false, logger: logger) {
                    do throws(QueueError) {
                        try await Schema($0).check(for: .ingress)
                    } catch {
                        throw error.whileAway ?? error
                    }
                }
            } catch let error as PostgresError {
                // Away is not wrong: calls wait for it, and readiness says so.
                logger.warning("starting without the database", metadata: ["error": "\(error)"])
            }
            let dashboard = try Self.dashboard(reader, name, logger)
            var ingress = Ingress(options: options, database: database, name: name, logger: logger) { port, adminPort in
                logger.info(
                    "listening",
                    metadata: [
                        "port": .stringConvertible(port), "admin.port": .stringConvertible(adminPort),
                        "endpoints": "\(options.endpoints.map(\.path).joined(separator: " "))",
                    ]
                )
            } metrics: {
                metrics.text()
            }
            ingress.adminPages = dashboard
            let reload = IngressReload(
                flags: self.flags,
                environment: environment,
                ingress: ingress,
                logger: logger,
                started: file?.values ?? [:],
                hangUps: hangUps
            )
            var besides: [any Service] = [reload, dashboard]
            if let traces { besides.insert(traces, at: 0) }
            // Beside the work, which it never holds up.
            async let examination: Void = Examination(database, logger: logger).log()
            try await Self.run(
                ingress,
                besides,
                options,
                delay: try reader.required(IngressSettings.shutdownDelay),
                logger
            )
            await examination
        }
    }

    private static func dashboard(
        _ reader: SettingsReader,
        _ name: String,
        _ logger: Logger
    ) throws(SettingError) -> Dashboard {
        Dashboard(
            try IngressSettings.dashboard(reader),
            database: try Database.configuration("rejoinder-\(name)-dashboard"),
            operatorDatabase: try Database.operatorConfiguration("rejoinder-\(name)-operator"),
            logger: logger
        )
    }

    private static func run(
        _ ingress: Ingress,
        _ besides: [any Service],
        _ options: IngressOptions,
        delay: Duration,
        _ logger: Logger
    ) async throws {
        OpenFiles.allowAsManyAsPossible()
        let services: [any Service]
        do { services = try ingress.services() } catch {
            throw SettingError("the certificate or its key can't be used: \(error)")
        }
        var configuration = ServiceGroupConfiguration(
            services: besides + services,
            logger: logger
        )
        // Every waiting caller gets its reply before the process ends; a reload may have given it longer than it was at the start.
        configuration.maximumGracefulShutdownDuration = NewEvent.longestDeadline + .seconds(3)
        configuration.maximumCancellationDuration = .seconds(5)
        let group = ServiceGroup(configuration: configuration)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let leaving = Task { await Self.leave(ingress, group, on: signals, after: delay, logger) }
        defer { leaving.cancel() }
        do {
            try await group.run()
        } catch {
            let why = await PortCheck(options).explanation(of: error)
            StandardError.print("rejoinder: \(why ?? "the ingress stopped: \(error)")")
            throw ExitCode(1)
        }
    }

    /// Shuts down when told to: after the delay, in which whoever sends it calls can hear that it goes, or at once when told
    /// again.
    private static func leave(
        _ ingress: Ingress,
        _ group: ServiceGroup,
        on signals: UnixSignalsSequence,
        after delay: Duration,
        _ logger: Logger
    ) async {
        var isLeaving = false
        for await _ in signals {
            guard delay > .zero, !isLeaving else {
                await group.triggerGracefulShutdown()
                continue
            }
            isLeaving = true
            logger.info("leaving, calls are still taken", metadata: ["for": "\(delay)"])
            ingress.leave()
            Task(name: "shutdown delay") {
                try? await Task.sleep(for: delay)
                await group.triggerGracefulShutdown()
            }
        }
    }
}
