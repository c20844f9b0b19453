import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import ServiceLifecycle

/// The public port: accepts connections, and makes calls of their bytes and bytes of their responses, by channel handlers
/// alone.
///
/// Hummingbird's server hands each connection to a task through an asynchronous sequence, and its HTTP/1 channel each
/// request: the one took a third of what an ingress does for a call on a connection of its own (measured: 64 µs of 195), the
/// other four fifths of what it did for a call (136 µs of 170).
struct CallServer: Service {
    let options: IngressOptions
    let calls: Calls
    let tls: NIOSSLContext?
    let eventLoops: MultiThreadedEventLoopGroup
    let logger: Logger
    let onListening: @Sendable (_ port: Int?) -> Void

    /// Returns when it has been asked to leave, and every caller that was connected has its reply; when it is cancelled, at
    /// once.
    ///
    /// - Throws: when the port can't be opened; when it has closed by itself, and every caller that was connected has its reply.
    func run() async throws {
        let loop = self.eventLoops.next()
        let (ends, end) = AsyncThrowingStream.makeStream(of: Never.self)
        let connections = try await loop.submit {
            let connections = OpenConnections(most: self.options.connections, logger: self.logger) { error in
                end.finish(throwing: error)
            }
            return NIOLoopBound(connections, eventLoop: loop)
        }.get()
        let server = try await ServerBootstrap(group: loop, childGroup: self.eventLoops)
            .serverChannelOption(.backlog, value: 4096)  // The kernel takes less where net.core.somaxconn says so.
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(connections.value)
                }
            }
            .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try self.setUp(channel) } }
            .bind(host: self.options.host, port: self.options.port)
            .get()
        self.onListening(server.localAddress?.port)
        try await withGracefulShutdownHandler {
            try await withTaskCancellationHandler {
                for try await _ in ends {}
            } onCancel: {
                loop.execute { connections.value.close() }
            }
        } onGracefulShutdown: {
            loop.execute { connections.value.leave() }
        }
    }

    /// A new connection's handlers.
    private func setUp(_ channel: any Channel) throws {
        let options = channel.syncOptions
        try options?.setOption(.allowRemoteHalfClosure, value: true)
        // Others have their turn between two reads of a connection that sends as fast as it can.
        try options?.setOption(.maxMessagesPerRead, value: 1)
        let operations = channel.pipeline.syncOperations
        if let tls { try operations.addHandler(NIOSSLServerHandler(context: tls)) }
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = self.options.headBytes
        limits.maxHeaderListSize = self.options.headBytes
        limits.maxHeaderFieldCount = self.options.headFields
        try operations.configureHTTPServerPipeline(
            withPipeliningAssistance: false,  // After the guard, which sees what comes in while a call waits.
            withErrorHandling: false,
            withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: limits
        )
        let handler = CallHandler(self.calls)
        try operations.addHandler(
            ConnectionGuard(limits: ConnectionGuard.Limits(self.options)) {
                handler.hungUp()
            } onRefusal: { [log = self.calls.log] problem, time in
                log.refused(problem, at: nil, after: time)
            }
        )
        try operations.addHandler(HTTPServerPipelineHandler())
        try operations.addHandler(handler)
    }
}
