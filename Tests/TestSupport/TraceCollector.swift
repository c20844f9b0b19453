import NIOCore
import NIOHTTP1
import NIOPosix

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Takes exports, and keeps their bodies.
package struct TraceCollector {
    package let port: Int
    package let requests: Mailbox<(path: String, body: [UInt8])>

    package struct Answer: Sendable {
        let status: Int
        let fields: [(String, String)]
        let body: String

        package init(status: Int = 200, fields: [(String, String)] = [], body: String = "") {
            self.status = status
            self.fields = fields
            self.body = body
        }
    }

    /// Takes exports while `body` runs; `answering` is asked once for each that has come.
    package static func run(
        answering: @escaping @Sendable () async -> Answer = { Answer() },
        _ body: (TraceCollector) async throws -> Void
    ) async throws {
        let requests = Mailbox<(path: String, body: [UInt8])>()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(requests: requests, answering: answering))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(TraceCollector(port: server.localAddress?.port ?? 0, requests: requests))
        } catch {
            try await server.close()
            throw error
        }
        try await server.close()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let requests: Mailbox<(path: String, body: [UInt8])>
        private let answering: @Sendable () async -> Answer
        private var path = ""
        private var body: [UInt8] = []

        init(
            requests: Mailbox<(path: String, body: [UInt8])>,
            answering: @escaping @Sendable () async -> Answer
        ) {
            self.requests = requests
            self.answering = answering
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch Self.unwrapInboundIn(data) {
            case .head(let head): self.path = head.uri
            case .body(let buffer): self.body += Array(buffer.readableBytesView)
            case .end:
                self.requests.send((self.path, self.body))
                context.eventLoop.makeFutureWithTask { [answering] in await answering() }
                    .assumeIsolated()
                    .whenSuccess { self.answer($0, context) }
            }
        }

        private func answer(_ answer: Answer, _ context: ChannelHandlerContext) {
            let headers = HTTPHeaders(answer.fields + [("content-length", "\(answer.body.utf8.count)")])
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status), headers: headers)
            context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
            context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
            context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}

/// What is read back of an export.
package struct TraceExport: Decodable, Sendable {
    package struct ResourceSpans: Decodable, Sendable { package let scopeSpans: [ScopeSpans] }
    package struct ScopeSpans: Decodable, Sendable { package let spans: [Span] }
    package struct Span: Decodable, Sendable {
        package let traceId, spanId, name, startTimeUnixNano, endTimeUnixNano: String
        package let parentSpanId: String?
        package let kind: Int
        package let attributes: [Attribute]
        package let status: Status?
    }
    package struct Attribute: Decodable, Sendable {
        package struct Value: Decodable, Sendable { package let stringValue, intValue: String? }
        package let key: String
        package let value: Value
    }
    package struct Status: Decodable, Sendable { package let code: Int }
    package let resourceSpans: [ResourceSpans]
    package var spans: [Span] { self.resourceSpans.flatMap(\.scopeSpans).flatMap(\.spans) }

    package init(decoding body: [UInt8]) throws { self = try JSONDecoder().decode(Self.self, from: Data(body)) }
}
