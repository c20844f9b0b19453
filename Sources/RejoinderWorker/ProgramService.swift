import ArgumentParser
import Logging
import ServiceLifecycle

/// A service of a worker program's own, which must not end before it is shut down.
struct ProgramService: Service {
    private let service: any Service
    /// Of its type alone: its properties may hold a password.
    private let name: String
    private let logger: Logger

    init(_ service: any Service, logger: Logger) {
        self.service = service
        self.name = "\(type(of: service))"
        self.logger = logger
    }

    /// When it fails the worker drains, with the other services still there, before the program ends.
    var configuration: ServiceGroupConfiguration.ServiceConfiguration {
        ServiceGroupConfiguration.ServiceConfiguration(
            service: self,
            failureTerminationBehavior: .gracefullyShutdownGroup,
            serviceName: self.name
        )
    }

    /// Logs at once why the program ends, which it may do only when its handlers have.
    func run() async throws {
        do {
            try await self.service.run()
            if Self.isToEnd { return }
            self.logger.error("a service has ended by itself", metadata: ["service": "\(self.name)"])
        } catch is CancellationError where Self.isToEnd {
            return
        } catch {
            self.logger.error("a service has failed", metadata: ["service": "\(self.name)", "error": "\(error)"])
        }
        throw ExitCode(1)
    }

    private static var isToEnd: Bool { Task.isShuttingDownGracefully || Task.isCancelled }
}
