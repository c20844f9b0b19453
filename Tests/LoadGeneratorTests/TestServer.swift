import NIOCore
import NIOHTTP1
import NIOPosix

/// A tiny HTTP server that answers each body as a script says.
enum TestServer {
    enum Answer: Sendable {
        case reply(Int, String)
        /// The body in two chunks.
        case chunked(String)
        /// Replies, says that it closes, and closes.
        case lastReply(String)
        /// Replies, and takes no connection after that.
        case replyAndLeave(String)
        /// Closes without a reply.
        case hangUp
        /// Never replies.
        case silence
    }

    /// Runs a server on a free port while `body` runs.
    static func with(
        _ script: @escaping @Sendable (String) -> Answer,
        _ body: (_ url: String) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.pipeline.configureHTTPServerPipeline().flatMapThrowing {
                    try channel.pipeline.syncOperations.addHandler(Handler(script))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        do {
            try await body("http://127.0.0.1:\(server.localAddress?.port ?? 0)/webhook")
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    /// Accepts connections on a free port while `body` runs, and writes nothing.
    static func withSilence(_ body: (_ port: Int) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(server.localAddress?.port ?? 0)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let script: @Sendable (String) -> Answer
        private var body = ""

        init(_ script: @escaping @Sendable (String) -> Answer) {
            self.script = script
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch Self.unwrapInboundIn(data) {
            case .head: self.body = ""
            case .body(let bytes): self.body += String(buffer: bytes)
            case .end: self.answer(context)
            }
        }

        private func answer(_ context: ChannelHandlerContext) {
            switch self.script(self.body) {
            case .reply(let status, let text): self.reply(context, status, text)
            case .chunked(let text):
                self.head(context, 200, ["transfer-encoding": "chunked"])
                self.part(context, text.prefix(1))
                self.part(context, text.dropFirst())
                context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
            case .lastReply(let text):
                self.reply(context, 200, text, ["connection": "close"])
                context.close(promise: nil)
            case .replyAndLeave(let text):
                context.channel.parent?.close(promise: nil)
                self.reply(context, 200, text)
            case .hangUp: context.close(promise: nil)
            case .silence: break
            }
        }

        private func reply(
            _ context: ChannelHandlerContext,
            _ status: Int,
            _ text: String,
            _ fields: HTTPHeaders = [:]
        ) {
            var fields = fields
            fields.add(name: "Content-Length", value: "\(text.utf8.count)")
            self.head(context, status, fields)
            self.part(context, text[...])
            context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        }

        private func head(_ context: ChannelHandlerContext, _ status: Int, _ fields: HTTPHeaders) {
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: fields)
            context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        }

        private func part(_ context: ChannelHandlerContext, _ text: Substring) {
            let bytes = ByteBuffer(substring: text)
            context.writeAndFlush(Self.wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        }
    }
}
