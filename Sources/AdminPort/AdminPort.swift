package import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

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

    private let channel: any Channel
    private let eventLoops: MultiThreadedEventLoopGroup

    /// Opens the port, which answers at once, so that a program knows whether it has it before it does anything else.
    ///
    /// - Parameters:
    ///   - host: where it listens.
    ///   - port: 0 for any free one; the log says which.
    ///   - logger: gets a line when the port is open.
    ///   - pages: by path. Called on the port's own thread.
    /// - Returns: the open port, which somebody must run.
    /// - Throws: where it can't be opened.
    package static func open(
        host: String,
        port: Int,
        logger: Logger,
        pages: [String: @Sendable () -> Page]
    ) async throws(AdminPortError) -> AdminPort {
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let channel = try await self.bootstrap(eventLoops, pages).bind(host: host, port: port).get()
            let number = channel.localAddress?.port ?? port
            logger.info("admin port open", metadata: ["admin.port": .stringConvertible(number)])
            return AdminPort(channel: channel, eventLoops: eventLoops)
        } catch {
            try? await eventLoops.shutdownGracefully()
            throw AdminPortError(host: host, port: port, error)
        }
    }

    /// Serves until graceful shutdown or cancellation, and closes the port.
    package func run() async throws {
        let channel = self.channel
        await withTaskCancellationOrGracefulShutdownHandler {
            try? await channel.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            channel.close(promise: nil)
        }
        try await self.eventLoops.shutdownGracefully()
    }

    private static func bootstrap(
        _ eventLoops: MultiThreadedEventLoopGroup,
        _ pages: [String: @Sendable () -> Page]
    ) -> ServerBootstrap {
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

/// Why there is no admin port, without what to do, which the program knows.
package struct AdminPortError: Error, Sendable, CustomStringConvertible {
    package enum Part: Sendable {
        case host, port
    }

    package let description: String
    /// What to choose another of; nil where that would not help.
    package let culprit: Part?

    init(host: String, port: Int, _ error: any Error) {
        let place = "port \(host):\(port)"
        let (description, culprit): (String, Part?) =
            switch (error as? IOError)?.errnoCode {
            case EADDRINUSE?: ("\(place) is in use", .port)
            case EACCES?: ("\(place) is not for this user", .port)
            // Without a code where a name has no address.
            case nil, EADDRNOTAVAIL?, EAFNOSUPPORT?: ("\(host) is no address of this machine", .host)
            case let code?: ("\(place) can't be opened: \(Self.text(of: code))", nil)
            }
        self.description = description
        self.culprit = culprit
    }

    private static func text(of code: CInt) -> String {
        let text = String(cString: strerror(code))
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}
