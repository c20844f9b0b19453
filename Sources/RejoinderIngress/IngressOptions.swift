package import EventQueue

/// How the ingress listens, and the limits that it holds callers to.
package struct IngressOptions: Sendable {
    package struct TLS: Sendable {
        /// PEM files; they are read again every few seconds, so that a renewed pair is used without a restart.
        package var certificatePath: String
        package var keyPath: String

        package init(certificatePath: String, keyPath: String) {
            self.certificatePath = certificatePath
            self.keyPath = keyPath
        }
    }

    package var endpoints: [Endpoint]
    package var host = "127.0.0.1"
    package var port = 8080
    package var adminHost = "127.0.0.1"
    package var adminPort = 9090
    /// For a request to come on a connection of the admin port, the first or the next; responses may take longer.
    package var adminIdleTimeout = Duration.seconds(10)
    package var tls: TLS?
    package var bodyBytes = 1 << 20
    package var headBytes = 16 << 10
    package var headFields = 100
    package var headTimeout = Duration.seconds(10)
    package var bodyTimeout = Duration.seconds(10)
    package var idleTimeout = Duration.seconds(75)
    /// More than may wait: a call too many is told so, where a connection too many waits to be accepted.
    package var connections = 15_000
    package var queue = IngressQueue.Limits()

    package init(endpoints: [Endpoint]) {
        self.endpoints = endpoints
    }
}
