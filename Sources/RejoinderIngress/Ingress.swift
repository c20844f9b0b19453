import EventQueue
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCertificateReloading
import NIOCore
import NIOPosix
import NIOSSL
package import PostgresClient
package import ServiceLifecycle
import Synchronization

/// The ingress, as the services that it consists of.
package struct Ingress: Sendable {
    private let options: IngressOptions
    private let queue: IngressQueue
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int, _ adminPort: Int) -> Void

    /// The queue's views call this process by its name.
    ///
    /// `onListening` is told the ports once both are open, which matters where port 0 was asked for.
    package init(
        options: IngressOptions,
        database: PostgresConfiguration,
        name: String,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int, _ adminPort: Int) -> Void = { _, _ in }
    ) {
        self.options = options
        self.queue = IngressQueue(configuration: database, name: name, limits: options.queue, logger: logger)
        self.logger = logger
        self.onListening = onListening
    }

    /// In the order in which they start.
    ///
    /// They stop in reverse: first the public port, when every waiting caller has its reply; then the private one,
    /// which says "stopping" until then; then the queue; last the certificate's reloader.
    ///
    /// - Throws: when the certificate or its key can't be used.
    package func services() throws -> [any Service] {
        let stopping = Flag()
        let ports = Ports(onListening: self.onListening)
        let hangUps = HangUps()
        // One thread for HTTP: it has time for more calls than PostgreSQL takes. More come with more ingress processes.
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let executor = EventLoopExecutor(eventLoops.next())
        var services: [any Service] = []

        let limits = ConnectionGuard.Limits(
            headTimeout: TimeAmount(self.options.headTimeout),
            bodyTimeout: TimeAmount(self.options.bodyTimeout),
            bodyBytes: self.options.bodyBytes
        )
        let http1 = HTTPServerBuilder.http1(
            configuration: .init(
                additionalChannelHandlers: [ConnectionGuard(limits: limits, hangUps: hangUps)],
                idleTimeout: TimeAmount(self.options.idleTimeout),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: self.options.headBytes,
                    maxHeaderListSize: self.options.headBytes,
                    maxHeaderFieldCount: self.options.headFields
                )
            )
        )
        var server = http1
        if let tls = self.options.tls {
            let reloader = try self.certificateReloader(tls)
            services.append(reloader)
            server = try .tls(http1, tlsConfiguration: .makeServerConfiguration(certificateReloader: reloader))
        }
        let publicServer = Application(
            responder: IngressResponder(
                options: self.options,
                queue: self.queue,
                hangUps: hangUps,
                logger: self.logger
            ),
            server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(self.options.host, port: self.options.port),
                backlog: 1024,
                availableConnectionsDelegate: .maximum(self.options.connections, logger: self.logger)
            ),
            onServerRunning: { ports.opened(public: $0.localAddress?.port) },
            eventLoopGroupProvider: .shared(eventLoops),
            logger: self.logger
        )
        let adminServer = Application(
            responder: AdminResponder { [queue] in
                stopping.isSet ? .stopping : queue.isReady ? .ready : .databaseAway
            },
            configuration: ApplicationConfiguration(
                address: .hostname(self.options.adminHost, port: self.options.adminPort)
            ),
            onServerRunning: { ports.opened(admin: $0.localAddress?.port) },
            eventLoopGroupProvider: .shared(eventLoops),
            logger: self.logger
        )
        services += [self.queue, adminServer, Announced(service: publicServer, executor: executor, stopping: stopping)]
        return services
    }

    private func certificateReloader(_ tls: IngressOptions.TLS) throws -> TimedCertificateReloader {
        let logger = self.logger
        let configuration = TimedCertificateReloader.Configuration(
            refreshInterval: .seconds(5),
            certificateSource: .init(location: .file(path: tls.certificatePath), format: .pem),
            privateKeySource: .init(location: .file(path: tls.keyPath), format: .pem)
        ) { configuration in
            configuration.onCertificateLoadFailed = { failure in
                logger.error(
                    "the certificate on disk can't be used, keeping the one in use",
                    metadata: ["error": "\(failure.error)"]
                )
            }
        }
        return try TimedCertificateReloader.makeReloaderValidatingSources(configuration: configuration)
    }
}

/// Set once.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .acquiring) }

    func set() { self.value.store(true, ordering: .releasing) }
}

/// A service that runs on an executor of its own, and says when it begins to stop.
private struct Announced<Base: Service>: Service {
    let service: Base
    let executor: EventLoopExecutor
    let stopping: Flag

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withTaskExecutorPreference(self.executor) { try await self.service.run() }
        } onGracefulShutdown: {
            self.stopping.set()
        }
    }
}

/// Collects the ports of both servers.
private final class Ports: Sendable {
    private let ports = Mutex<(public: Int?, admin: Int?)>((nil, nil))
    private let onListening: @Sendable (Int, Int) -> Void

    init(onListening: @escaping @Sendable (Int, Int) -> Void) {
        self.onListening = onListening
    }

    func opened(public publicPort: Int? = nil, admin adminPort: Int? = nil) {
        let both = self.ports.withLock { ports in
            ports.public = publicPort ?? ports.public
            ports.admin = adminPort ?? ports.admin
            return ports
        }
        if case (let publicPort?, let adminPort?) = both { self.onListening(publicPort, adminPort) }
    }
}
