import EventQueue
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import Settings
import TestSupport
import Testing
import Tracing

@testable import OTLPTracing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite("spans go to a collector", .timeLimit(.minutes(10)))
struct OTLPTracingTests {
    /// What is read back of a request's body.
    struct Export: Decodable, Sendable {
        struct ResourceSpans: Decodable, Sendable { let scopeSpans: [ScopeSpans] }
        struct ScopeSpans: Decodable, Sendable { let spans: [Span] }
        struct Span: Decodable, Sendable {
            let traceId, spanId, name, startTimeUnixNano, endTimeUnixNano: String
            let parentSpanId: String?
            let kind: Int
            let attributes: [Attribute]
            let status: Status?
        }
        struct Attribute: Decodable, Sendable {
            struct Value: Decodable, Sendable { let stringValue, intValue: String? }
            let key: String
            let value: Value
        }
        struct Status: Decodable, Sendable { let code: Int }
        let resourceSpans: [ResourceSpans]
        var spans: [Span] { self.resourceSpans.flatMap(\.scopeSpans).flatMap(\.spans) }
    }

    struct NoFields: Extractor {
        func extract(key: String, from fields: [String: String]) -> String? { fields[key] }
    }

    private func context(of traceparent: String, _ tracer: OTLPTracer) -> ServiceContext {
        var context = ServiceContext.topLevel
        tracer.extract(["traceparent": traceparent], into: &context, using: NoFields())
        return context
    }

    @Test("a caller's trace is continued, its spans sent as the protocol has them")
    func export() async throws {
        try await Collector.run { collector async throws in
            let exporter = try #require(
                try OTLPExporter(
                    environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)"],
                    service: "service",
                    name: "one",
                    logger: Logger(label: "test")
                )
            )
            let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            let running = Task { try await exporter.run() }
            let tracer = exporter.tracer
            let span = tracer.startSpan(
                "POST /webhook",
                context: self.context(of: parent, tracer),
                ofKind: .server,
                at: DefaultTracerClock.Timestamp(.milliseconds(250))
            )
            span.attributes["http.response.status_code"] = 504
            span.setStatus(SpanStatus(code: .error))
            tracer.startSpan("queue", context: span.context, ofKind: .internal).end()
            span.end()
            span.end()
            let (path, body) = try await collector.requests.next()
            running.cancel()
            try await running.value
            #expect(path == "/v1/traces")
            let spans = try JSONDecoder().decode(Export.self, from: Data(body)).spans
            try #require(spans.map(\.name) == ["queue", "POST /webhook"])
            #expect(spans.map(\.traceId) == Array(repeating: "4bf92f3577b34da6a3ce929d0e0e4736", count: 2))
            #expect(spans[1].parentSpanId == "00f067aa0ba902b7")
            #expect(spans[0].parentSpanId == spans[1].spanId)
            #expect(spans.map(\.kind) == [1, 2])
            #expect(spans[1].status?.code == 2)
            #expect(spans[1].attributes.first?.value.intValue == "504")
            let (start, end) = (try #require(UInt64(spans[1].startTimeUnixNano)), UInt64(spans[1].endTimeUnixNano) ?? 0)
            #expect(end - start >= 250_000_000)
        }
    }

    @Test("what its caller does not record is not recorded, but goes on")
    func unsampled() throws {
        let tracer = OTLPTracer(ratio: 1, buffer: SpanBuffer())
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        let span = tracer.startSpan("x", context: self.context(of: parent, tracer))
        span.end()
        #expect(!span.isRecording)
        #expect(span.context.traceparent?.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(span.context.traceparent?.isSampled == false)
        #expect(tracer.buffer.take().ended.isEmpty)
        #expect(OTLPTracer(ratio: 0, buffer: SpanBuffer()).startSpan("y").context.traceparent?.isSampled == false)
    }

    @Test("spans beyond what is kept are counted, not kept")
    func bounded() {
        let tracer = OTLPTracer(ratio: 1, buffer: SpanBuffer())
        for _ in 0..<(SpanBuffer.most + 5) { tracer.startSpan("x", context: .topLevel).end() }
        let (ended, dropped) = tracer.buffer.take()
        #expect((ended.count, dropped) == (SpanBuffer.most, 5))
    }

    @Test(
        "a malformed variable is named",
        arguments: [
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://x"], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            (
                ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_SAMPLER_ARG": "2"],
                "OTEL_TRACES_SAMPLER_ARG"
            ),
        ]
    )
    func malformed(_ environment: [String: String], _ name: String) {
        let error = #expect(throws: SettingError.self) {
            try OTLPExporter(environment: environment, service: "s", name: "n", logger: Logger(label: "test"))
        }
        #expect(error?.description.hasPrefix(name) == true)
    }
}

/// Takes exports, and keeps their bodies.
private struct Collector {
    let port: Int
    let requests: Mailbox<(path: String, body: [UInt8])>

    static func run(_ body: (Collector) async throws -> Void) async throws {
        let requests = Mailbox<(path: String, body: [UInt8])>()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(requests: requests))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(Collector(port: server.localAddress?.port ?? 0, requests: requests))
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
        private var path = ""
        private var body: [UInt8] = []

        init(requests: Mailbox<(path: String, body: [UInt8])>) { self.requests = requests }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch Self.unwrapInboundIn(data) {
            case .head(let head): self.path = head.uri
            case .body(let buffer): self.body += Array(buffer.readableBytesView)
            case .end:
                self.requests.send((self.path, self.body))
                let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "0"])
                context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
                context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
