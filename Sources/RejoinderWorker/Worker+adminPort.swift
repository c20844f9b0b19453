package import AdminPort
import PrometheusMetrics

extension Worker {
    /// Whether the worker takes events.
    enum Readiness: String, Sendable {
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
        try await AdminPort.open(
            host: host,
            port: port,
            logger: self.logger,
            pages: [
                "/metrics": { AdminPort.Page(contentType: Exposition.contentType, body: metrics()) },
                "/health/live": { AdminPort.Page(body: "live\n") },
                "/health/ready": { [worker = self] in
                    let readiness = worker.readiness
                    return AdminPort.Page(isAvailable: readiness == .ready, body: readiness.rawValue + "\n")
                },
            ]
        )
    }
}
