import CoreMetrics
import EventQueue
package import Hummingbird
import HummingbirdCore
package import Logging
import NIOCertificateReloading
import NIOCore
package import NIOPosix
import NIOSSL
package import PostgresClient
package import ServiceLifecycle
import Synchronization

/// The ingress, as the services that it consists of.
package struct Ingress: Sendable {
    /// Others wait for one of these to close: the dashboard's streams are 50 of them at most.
    private static let mostAdminConnections = 64
    /// Browsers send the cookies of the host's other ports along.
    private static let adminHeadBytes = 16 << 10

    private let options: IngressOptions
    private let endpoints: EndpointTable
    private let queue: any CallQueue
    private let eventLoops: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int, _ adminPort: Int) -> Void
    private let metrics: (@Sendable () -> String)?
    private let stopping = Flag()
    /// Who answers on the private port whatever is neither health nor metrics.
    package var adminPages: (any HTTPResponder<BasicRequestContext>)?

    /// The queue's views call this process by its name.
    ///
    /// `onListening` is told the ports once both are open, which matters where port 0 was asked for. `metrics` is what the
    /// private port shows at `/metrics`; nil where they go elsewhere.
    package init(
        options: IngressOptions,
        database: PostgresConfiguration,
        name: String,
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int, _ adminPort: Int) -> Void = { _, _ in },
        metrics: (@Sendable () -> String)? = nil
    ) {
        let eventLoops = Self.eventLoops()
        let queue = IngressQueue(
            configuration: database,
            name: name,
            limits: options.queue,
            logger: logger,
            teller: { [loop = eventLoops.next()] tell in loop.execute(tell) }
        )
        self.init(
            options: options,
            queue: queue,
            eventLoops: eventLoops,
            logger: logger,
            onListening: onListening,
            metrics: metrics
        )
    }

    /// With another queue in place of the database's, which tells callers on one of these event loops.
    package init(
        options: IngressOptions,
        queue: any CallQueue,
        eventLoops: MultiThreadedEventLoopGroup = Self.eventLoops(),
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int, _ adminPort: Int) -> Void = { _, _ in },
        metrics: (@Sendable () -> String)? = nil
    ) {
        self.options = options
        self.endpoints = EndpointTable(options.endpoints)
        self.queue = queue
        self.eventLoops = eventLoops
        self.logger = logger
        self.metrics = metrics
        self.onListening = onListening
        IngressMetrics.begin(options)
    }

    /// One thread for HTTP: it has time for more calls than PostgreSQL takes.
    ///
    /// More come with more ingress processes.
    package static func eventLoops() -> MultiThreadedEventLoopGroup { MultiThreadedEventLoopGroup(numberOfThreads: 1) }

    /// From now on calls are taken at these endpoints; a call under way keeps the one that it came to.
    package func replaceEndpoints(with endpoints: [Endpoint]) {
        self.endpoints.replace(with: endpoints)
        IngressMetrics.show(endpoints)
    }

    /// From now on readiness says that it is stopping; calls are taken as before, until its services are shut down.
    package func leave() { self.stopping.set() }

    /// In the order in which they start.
    ///
    /// They stop in reverse: first the public port, when every waiting caller has its reply; then the private one,
    /// which says "stopping" until then; then the queue; last the certificate's reloader.
    ///
    /// - Throws: when the certificate or its key can't be used.
    package func services() throws -> [any Service] {
        let ports = Ports(onListening: self.onListening)
        var services: [any Service] = []

        let calls = Calls(options: self.options, endpoints: self.endpoints, queue: self.queue, logger: self.logger)
        services.append(calls.log)
        var tls: NIOSSLContext?
        if let files = self.options.tls {
            let reloader = try self.certificateReloader(files)
            services.append(reloader)
            var configuration = try TLSConfiguration.makeServerConfiguration(certificateReloader: reloader)
            configuration.minimumTLSVersion = .tlsv12  // RFC 8996 has done away with those before.
            tls = try NIOSSLContext(configuration: configuration)
        }
        let publicServer = CallServer(
            options: self.options,
            calls: calls,
            tls: tls,
            eventLoops: self.eventLoops,
            logger: self.logger,
            onListening: { ports.opened(public: $0) }
        )
        let adminServer = self.adminServer { ports.opened(admin: $0) }
        services += [self.queue, adminServer, Announced(service: publicServer, stopping: self.stopping)]
        return services
    }

    /// The private port: what it holds, silent connections too, is little, since the public one shares the open files.
    private func adminServer(onListening: @escaping @Sendable (_ port: Int?) -> Void) -> any Service {
        Application(
            responder: AdminResponder(
                readiness: { [queue, stopping] in stopping.isSet ? .stopping : queue.isReady ? .ready : .databaseAway },
                metrics: self.metrics,
                others: self.adminPages
            ),
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    idleTimeout: TimeAmount(self.options.adminIdleTimeout),
                    httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                        maxHeaderFieldSize: Self.adminHeadBytes,
                        maxHeaderListSize: Self.adminHeadBytes,
                        maxHeaderFieldCount: 100
                    )
                )
            ),
            configuration: ApplicationConfiguration(
                address: .hostname(self.options.adminHost, port: self.options.adminPort),
                availableConnectionsDelegate: MaximumAvailableConnections(
                    Self.mostAdminConnections,
                    logger: self.logger
                )
            ),
            onServerRunning: { onListening($0.localAddress?.port) },
            eventLoopGroupProvider: .shared(self.eventLoops),
            logger: self.logger
        )
    }

    private func certificateReloader(_ tls: IngressOptions.TLS) throws -> TimedCertificateReloader {
        let logger = self.logger
        // It is tried again and again: what is wrong is said once.
        let complaint = Mutex<String?>(nil)
        let configuration = TimedCertificateReloader.Configuration(
            refreshInterval: .seconds(5),
            certificateSource: .init(location: .file(path: tls.certificatePath), format: .pem),
            privateKeySource: .init(location: .file(path: tls.keyPath), format: .pem)
        ) { configuration in
            configuration.onCertificateLoaded = {
                complaint.withLock { $0 = nil }
                IngressMetrics.loaded($0.currentCertificateChain)
            }
            configuration.onCertificateLoadFailed = { failure in
                IngressMetrics.certificateLoadFailures.increment()
                // Which may be of several lines.
                let error = "\(failure.error)".split(whereSeparator: \.isNewline).joined(separator: " ")
                let isNews = complaint.withLock { complaint in
                    defer { complaint = error }
                    return complaint != error
                }
                guard isNews else { return }
                logger.error(
                    "the certificate on disk can't be used, keeping the one in use",
                    metadata: ["error": "\(error)"]
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

/// A service that says when it begins to stop.
private struct Announced: Service {
    let service: any Service
    let stopping: Flag

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await self.service.run()
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
