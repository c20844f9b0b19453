import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import RejoinderIngress

@Suite("closing a connection")
struct ConnectionGuardTests {
    /// Answers its first request, and ends the connection.
    private final class LastReply: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        static let length = 1 << 20

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .end = Self.unwrapInboundIn(data) else { return }
            let fields: HTTPHeaders = ["content-length": "\(Self.length)", "connection": "close"]
            let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: fields)
            context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
            let body = ByteBuffer(repeating: UInt8(ascii: "a"), count: Self.length)
            context.write(Self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
            context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    /// Reads nothing until it is told to, and counts what comes then.
    private final class SlowReader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let onEnd: (Int) -> Void
        private var count = 0

        init(onEnd: @escaping (Int) -> Void) { self.onEnd = onEnd }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.count += Self.unwrapInboundIn(data).readableBytes
        }

        func channelInactive(context: ChannelHandlerContext) { self.onEnd(self.count) }
    }

    @Test("a caller that takes its time to read its connection's last reply gets all of it")
    func slowReader() async throws {
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let limits = ConnectionGuard.Limits(IngressOptions(endpoints: []))
        let server = try await ServerBootstrap(group: eventLoops)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.socketOption(.so_sndbuf), value: 4096)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.configureHTTPServerPipeline(
                        withPipeliningAssistance: false,
                        withErrorHandling: false
                    )
                    try pipeline.addHandlers(ConnectionGuard(limits: limits) {}, LastReply())
                }
            }
            .bind(to: SocketAddress(ipAddress: "127.0.0.1", port: 0)).get()
        let (counts, counted) = AsyncStream.makeStream(of: Int.self)
        let caller = try await ClientBootstrap(group: eventLoops)
            .channelOption(.autoRead, value: false)
            .channelOption(.socketOption(.so_rcvbuf), value: 4096)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(SlowReader { counted.yield($0) })
                }
            }
            .connect(to: #require(server.localAddress)).get()
        try await caller.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
        // Longer than a connection lingers once its reply is out.
        try await Task.sleep(for: .seconds(2))
        try await caller.setOption(.autoRead, value: true).get()
        let count = try #require(await counts.first { _ in true })
        #expect(count > LastReply.length)
        try await server.close()
        try await eventLoops.shutdownGracefully()
    }
}
