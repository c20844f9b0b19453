import ArgumentParser
import Logging
import RejoinderWorker
import ServiceLifecycle
import Settings
import UnixSignals

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The worker that is measured: its handlers do nothing, at once or after a while.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", shouldDisplay: false)

    @Option var slots = Worker.defaultSlots
    @Option var milliseconds = 0

    func run() async throws {
        let pause = Duration.milliseconds(self.milliseconds)
        let handlers = Handlers {
            Handle("echo") { event, _ in .success(event.text(of: "n") ?? "") }
            Handle("wait") { event, _ in
                try await Task.sleep(for: pause)
                return .success(event.text(of: "n") ?? "")
            }
        }
        let logger = Logger.program("worker", level: .info)
        let worker = Worker(
            handlers: handlers,
            databaseURL: CommonSettings.databaseURL(in: ProcessInfo.processInfo.environment),
            name: "worker",
            slots: self.slots,
            logger: logger
        )
        let group = ServiceGroup(
            services: [worker],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }
}
