import Logging
import RejoinderWorker
import ServiceLifecycle
import UnixSignals

// What the guides show and no other test has: compiled, not run.

func runInside(handlers: Handlers, databaseURL: String?, logger: Logger) async throws {
    let worker = Worker(handlers: handlers, databaseURL: databaseURL, name: "orders", slots: 40, logger: logger)
    let group = ServiceGroup(
        configuration: ServiceGroupConfiguration(
            services: [.init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup)],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
    )
    try await group.run()
}

func handlersWithSlots(
    checking: @escaping @Sendable (_ event: WebhookEvent, _ timeLeft: Duration) async throws -> HandlerOutcome
) -> Handlers {
    @Sendable func check(_ event: WebhookEvent, within timeLeft: Duration) async throws -> HandlerOutcome {
        try await checking(event, timeLeft)
    }
    let handlers = Handlers {
        Handle("price", "stock") { event, _ in .success("1599") }
        Handle("credit_check", concurrency: 8, timeLimit: .seconds(10)) { event, context in
            try await check(event, within: context.timeLeft)
        }
    }
    return handlers
}
