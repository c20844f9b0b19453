import Logging
package import RejoinderWorker
import ServiceLifecycle
import Settings
import UnixSignals

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A worker program that takes part, with handlers of the one who set the stage.
package enum StageWorker {
    /// Runs until SIGTERM, on the database that the environment names.
    package static func run(_ handlers: Handlers, slots: Int) async throws {
        let logger = Logger.program("worker", level: .info)
        let worker = Worker(
            handlers: handlers,
            databaseURL: CommonSettings.databaseURL(in: ProcessInfo.processInfo.environment),
            name: "worker",
            slots: slots,
            logger: logger
        )
        try await ServiceGroup(services: [worker], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger).run()
    }
}
