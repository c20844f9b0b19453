package import AdminPort
import Logging
import PrometheusMetrics

extension Worker {
    /// Whether the worker takes events.
    enum Readiness: String, Sendable {
        /// Its program is still being made.
        case starting
        case ready
        /// Claims nothing more.
        case draining
        case databaseAway = "database_away"
    }

    /// A private port with this worker's health, and with metrics in Prometheus's text format; it is open already.
    package func adminPort(
        host: String,
        port: Int,
        metrics: @escaping @Sendable () -> String
    ) async throws(AdminPortError) -> AdminPort {
        try await Self.adminPort(
            host: host,
            port: port,
            logger: self.logger,
            metrics: metrics,
            readiness: { self.readiness }
        )
    }

    /// The same for a worker that there may not be yet.
    static func adminPort(
        host: String,
        port: Int,
        logger: Logger,
        metrics: @escaping @Sendable () -> String,
        readiness: @escaping @Sendable () -> Readiness
    ) async throws(AdminPortError) -> AdminPort {
        try await AdminPort.open(
            host: host,
            port: port,
            logger: logger,
            pages: [
                "/metrics": { AdminPort.Page(contentType: Exposition.contentType, body: metrics()) },
                "/health/live": { AdminPort.Page(body: "live\n") },
                "/health/ready": {
                    let current = readiness()
                    return AdminPort.Page(isAvailable: current == .ready, body: current.rawValue + "\n")
                },
            ]
        )
    }
}
