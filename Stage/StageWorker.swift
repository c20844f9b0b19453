import Logging
import OTLPTracing
import PrometheusMetrics
package import RejoinderWorker
import ServiceLifecycle
import Settings
import Tracing
import UnixSignals

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A worker program that takes part, with handlers of the one who set the stage.
package enum StageWorker {
    /// Runs until SIGTERM, on the database that the environment names; with an admin port where it is given one, 0 for any, and
    /// traces where the environment has a collector.
    package static func run(_ handlers: Handlers, slots: Int, adminPort: Int? = nil) async throws {
        let logger = Logger.program("worker", level: .info)
        let environment = ProcessInfo.processInfo.environment
        // Before anything is measured.
        let metrics = adminPort.map { _ in PrometheusMetrics.bootstrapped() }
        let traces = try OTLPExporter(environment: environment, service: "worker", name: "worker", logger: logger)
        if let traces { InstrumentationSystem.bootstrap(traces.tracer) }
        let worker = Worker(
            handlers: handlers,
            databaseURL: try CommonSettings.databaseURL(in: environment),
            name: "worker",
            slots: slots,
            logger: logger
        )
        // It ends in order when it is drained.
        var services = [
            ServiceGroupConfiguration.ServiceConfiguration(
                service: worker,
                successTerminationBehavior: .gracefullyShutdownGroup
            )
        ]
        if let adminPort, let metrics {
            let port = try await worker.adminPort(host: "127.0.0.1", port: adminPort, metrics: { metrics.text() })
            services.insert(.init(service: port), at: 0)
        }
        if let traces { services.insert(.init(service: traces), at: 0) }
        let configuration = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await ServiceGroup(configuration: configuration).run()
    }
}
