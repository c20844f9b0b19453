package import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// A small private HTTP port: a page per path, for `GET` and `HEAD` alone, one request per connection.
///
/// For programs that have no HTTP server otherwise.
package struct AdminPort: Service {
    /// What is at a path at this moment.
    package struct Page: Sendable {
        let status: HTTPResponseStatus
        let contentType: String
        let body: String

        /// With 503, somebody who asks for health should go elsewhere.
        package init(isAvailable: Bool = true, contentType: String = "text/plain; charset=utf-8", body: String) {
            self.init(status: isAvailable ? .ok : .serviceUnavailable, contentType: contentType, body: body)
        }

        init(status: HTTPResponseStatus, contentType: String = "text/plain; charset=utf-8", body: String) {
            self.status = status
            self.contentType = contentType
            self.body = body
        }
    }

    /// More connections at once are closed.
    static let mostConnections = 32
    static let headBytes = 8 << 10
    /// From accepting a connection to its end.
    static let time = TimeAmount.seconds(10)

    private let host: String
    private let port: Int
    private let pages: [String: @Sendable () -> Page]
    private let logger: Logger

    /// - Parameters:
    ///   - host: where it listens.
    ///   - port: 0 for any free one; the log says which.
    ///   - logger: gets a line when the port is open.
    ///   - pages: by path. Called on the port's own thread.
    package init(host: String, port: Int, logger: Logger, pages: [String: @Sendable () -> Page]) {
        self.host = host
        self.port = port
        self.pages = pages
        self.logger = logger
    }

    /// Serves until graceful shutdown or cancellation.
    ///
    /// - Throws: `AdminPortError` where the port can't be opened.
    package func run() async throws {
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel: any Channel
        do {
            channel = try await self.bootstrap(eventLoops).bind(host: self.host, port: self.port).get()
        } catch {
            try? await eventLoops.shutdownGracefully()
            throw AdminPortError("the admin port \(self.host):\(self.port) can't be opened: \(error)")
        }
        let port = channel.localAddress?.port ?? self.port
        self.logger.info("admin port open", metadata: ["admin.port": .stringConvertible(port)])
        await withTaskCancellationOrGracefulShutdownHandler {
            try? await channel.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            channel.close(promise: nil)
        }
        try await eventLoops.shutdownGracefully()
    }

    private func bootstrap(_ eventLoops: MultiThreadedEventLoopGroup) -> ServerBootstrap {
        let pages = self.pages
        let room = ConnectionCount()
        return ServerBootstrap(group: eventLoops)
            .serverChannelOption(.backlog, value: 16)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard room.enter(upTo: Self.mostConnections) else { throw ChannelError.ioOnClosedChannel }
                    channel.closeFuture.whenComplete { _ in room.leave() }
                    let timer = channel.eventLoop.scheduleTask(in: Self.time) { channel.close(promise: nil) }
                    channel.closeFuture.whenComplete { _ in timer.cancel() }
                    var limits = NIOHTTPDecoderLimitConfiguration()
                    limits.maxHeaderFieldSize = Self.headBytes
                    limits.maxHeaderListSize = Self.headBytes
                    limits.maxHeaderFieldCount = 100
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                        withPipeliningAssistance: false,  // Nothing follows the first request.
                        withErrorHandling: true,
                        withOutboundHeaderValidation: false,
                        withEncoderConfiguration: .init(),
                        withDecoderLimitConfiguration: limits
                    )
                    try channel.pipeline.syncOperations.addHandler(AdminHandler(pages: pages))
                }
            }
    }
}

/// Why there is no admin port.
package struct AdminPortError: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
