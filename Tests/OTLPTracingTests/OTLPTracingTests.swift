import EventQueue
import Logging
import ServiceLifecycle
import Settings
import TestSupport
import Testing
import Tracing

@testable import OTLPTracing

@Suite("spans go to a collector", .timeLimit(.minutes(10)))
struct OTLPTracingTests {
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
        try await TraceCollector.run { collector async throws in
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
            let spans = try TraceExport(decoding: body).spans
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

    @Test("spans that the collector puts off come again, and that it rejects some is said once")
    func answers() async throws {
        let (answers, recorder) = (Mailbox<TraceCollector.Answer>(), LogRecorder())
        try await TraceCollector.run {
            (try? await answers.next()) ?? TraceCollector.Answer()
        } _: { collector async throws in
            let exporter = try #require(
                try OTLPExporter(
                    environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)"],
                    service: "service",
                    name: "one",
                    logger: recorder.logger
                )
            )
            let running = Task { try await exporter.run() }
            for (name, answer, expected) in [
                ("a", TraceCollector.Answer(status: 503, fields: [("retry-after", "3")]), ["a"]),
                ("b", TraceCollector.Answer(body: #"{"partialSuccess":{"rejectedSpans":"1"}}"#), ["a", "b"]),
                ("c", TraceCollector.Answer(body: #"{"partialSuccess":{"rejectedSpans":1}}"#), ["c"]),
                ("d", TraceCollector.Answer(body: #"{"partialSuccess":{}}"#), ["d"]),
            ] {
                answers.send(answer)
                exporter.tracer.startSpan(name, context: .topLevel).end()
                let spans = try TraceExport(decoding: try await collector.requests.next().body).spans
                #expect(spans.map(\.name) == expected)
            }
            running.cancel()
            try await running.value
            #expect(
                recorder.entries.map(\.message) == [
                    "spans don't reach their collector", "spans reach their collector again",
                    "the collector rejects spans", "the collector takes all spans again",
                ]
            )
            #expect(recorder.entries.map { $0.text("spans") } == ["", "", "1", ""])
        }
    }

    @Test("what ends while spans are on their way at a shutdown is sent after them")
    func shutdown() async throws {
        let meanwhile = Mailbox<@Sendable () async -> Void>()
        try await TraceCollector.run {
            if let act = try? await meanwhile.next() { await act() }
            return TraceCollector.Answer()
        } _: { collector async throws in
            let exporter = try #require(
                try OTLPExporter(
                    environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)"],
                    service: "service",
                    name: "one",
                    logger: .silent
                )
            )
            let group = ServiceGroup(services: [exporter], logger: .silent)
            async let running: Void = group.run()
            meanwhile.send {
                exporter.tracer.startSpan("last", context: .topLevel).end()
                await group.triggerGracefulShutdown()
            }
            meanwhile.send {}
            exporter.tracer.startSpan("first", context: .topLevel).end()
            try await running
            for name in ["first", "last"] {
                let spans = try TraceExport(decoding: try await collector.requests.next().body).spans
                #expect(spans.map(\.name) == [name])
            }
        }
    }

    @Test("a collector is asked again when it wishes, within a minute, else ever more seldom, and soon when it answers")
    func pace() {
        var pace = SendingPace()
        var delays = [pace.delay]
        for wish in [nil, nil, nil, nil, nil, nil, 3600, 0, 5] as [Int?] {
            pace.putOff(by: wish.map { Duration.seconds($0) })
            delays.append(pace.delay)
        }
        #expect(delays == [1, 2, 4, 8, 16, 30, 30, 60, 1, 5].map { Duration.seconds($0) })
        pace.goOn()
        #expect(pace.delay == .seconds(1))
    }

    @Test(
        "when to ask again is a number of seconds, or a date in any form that HTTP has had",
        arguments: [
            ("120", 120), ("0", 0), ("soon", nil), ("", nil), ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 37), ("Sun Nov  6 08:49:37 1994", 37),
            ("Sun, 06 Nov 1994 08:48:59 GMT", 0), ("Sun, 06 Now 1994 08:49:37 GMT", nil),
            ("Sun, 06 Nov 1994 08:49 GMT", nil),
        ] as [(String, Int?)]
    )
    func retryAfter(_ value: String, _ seconds: Int?) {
        // Sun, 06 Nov 1994 08:49:00 GMT
        #expect(RetryAfter.duration(value, at: 784_111_740) == seconds.map { Duration.seconds($0) })
    }

    @Test("what its caller does not record is not recorded, but goes on")
    func unsampled() throws {
        let tracer = OTLPTracer(sampler: TraceSampler(ratio: 1), buffer: SpanBuffer())
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        let span = tracer.startSpan("x", context: self.context(of: parent, tracer))
        span.end()
        #expect(!span.isRecording)
        #expect(span.context.traceparent?.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(span.context.traceparent?.isSampled == false)
        #expect(tracer.buffer.take().ended.isEmpty)
        let never = OTLPTracer(sampler: TraceSampler(ratio: 0), buffer: SpanBuffer())
        #expect(never.startSpan("y").context.traceparent?.isSampled == false)
    }

    @Test("without a share, the first traces of each second are recorded")
    func sampling() {
        let sampler = TraceSampler(ratio: nil)
        let start = ContinuousClock.now + .seconds(1)
        for second in 0..<3 {
            let recorded = (0..<300).count { sampler.records(at: start + .seconds(second) + .milliseconds($0 * 3)) }
            #expect(recorded == TraceSampler.mostPerSecond)
        }
    }

    @Test("spans beyond what is kept are counted, not kept")
    func bounded() {
        let tracer = OTLPTracer(sampler: TraceSampler(ratio: 1), buffer: SpanBuffer())
        for _ in 0..<(SpanBuffer.most + 5) { tracer.startSpan("x", context: .topLevel).end() }
        let (ended, dropped) = tracer.buffer.take()
        #expect((ended.count, dropped) == (SpanBuffer.most, 5))
    }

    @Test("what could not be sent comes again, before what has ended since; of too many the oldest stay")
    func putBack() {
        let tracer = OTLPTracer(sampler: TraceSampler(ratio: 1), buffer: SpanBuffer())
        for name in ["a", "b", "c"] { tracer.startSpan(name, context: .topLevel).end() }
        let (taken, _) = tracer.buffer.take()
        tracer.startSpan("d", context: .topLevel).end()
        tracer.buffer.putBack(taken.dropFirst(), dropped: 1)
        let (again, dropped) = tracer.buffer.take()
        #expect(again.map(\.name) == ["b", "c", "d"] && dropped == 1)

        for _ in 0..<SpanBuffer.most { tracer.startSpan("new", context: .topLevel).end() }
        tracer.buffer.putBack(again[...], dropped: 0)
        let (full, left) = tracer.buffer.take()
        #expect(full.count == SpanBuffer.most && full.prefix(4).map(\.name) == ["b", "c", "d", "new"] && left == 3)
    }

    @Test(
        "a malformed variable is named",
        arguments: [
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://x"], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:hush@x"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:hush@x:4318"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://hush@x"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x/v1?key=hush"], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x#hush"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:0"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:65536"], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (
                ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_SAMPLER_ARG": "2"],
                "OTEL_TRACES_SAMPLER_ARG"
            ),
            (
                ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_HEADERS": "hush"],
                "OTEL_EXPORTER_OTLP_HEADERS"
            ),
            (
                ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_HEADERS": "a=1,b c=hush"],
                "OTEL_EXPORTER_OTLP_HEADERS"
            ),
            (
                ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_HEADERS": "a=hu\nsh"],
                "OTEL_EXPORTER_OTLP_HEADERS"
            ),
        ]
    )
    func malformed(_ environment: [String: String], _ name: String) {
        let error = #expect(throws: SettingError.self) {
            try OTLPExporter(environment: environment, service: "s", name: "n", logger: Logger(label: "test"))
        }
        #expect(error?.description.hasPrefix(name) == true)
        #expect(error?.description.contains("hush") == false)
    }

    @Test("further fields are read, and a value may have an equals sign in it")
    func fields() throws {
        let endpoint = try #require(
            try OTLPEndpoint(
                environment: [
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a==, other=b c",
                ]
            )
        )
        #expect(endpoint.fields.map(\.0) == ["x-key", "other"])
        #expect(endpoint.fields.map(\.1) == ["a==", "b c"])
    }
}
