import TestSupport
import Testing

@Suite("traces", .timeLimit(.minutes(10)))
struct TraceTests {
    @Test("a call is one trace, from its caller through ingress, queue and handler to the reply")
    func call() async throws {
        try await TestCluster.withDatabase { database in
            try await TraceCollector.run { collector in
                let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)"]
                try await Deployment.with(database, environment: environment) { deployment in
                    let variables = environment.merging(["DATABASE_URL": database.url]) { $1 }
                    try await Program.with("ScriptedWorker", environment: variables) { _ in
                        let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                        let answer = try await deployment.post(
                            Deployment.body("echo", ["id": "1"]),
                            headers: [("Content-Type", "application/json"), ("traceparent", caller)]
                        )
                        #expect(answer.status == 200)
                        #expect(try await deployment.post([], signature: "sha1=00").status == 401)
                        var spans: [TraceExport.Span] = []
                        while spans.count < 5 {
                            spans += try TraceExport(decoding: try await collector.requests.next().body).spans
                        }
                        let names = Set(spans.map(\.name))
                        #expect(names == ["POST /webhook", "enqueue", "queue", "handle echo", "answer"])
                        #expect(Set(spans.map(\.traceId)) == ["4bf92f3577b34da6a3ce929d0e0e4736"])
                        let call = try #require(spans.first { $0.name == "POST /webhook" })
                        #expect(call.parentSpanId == "00f067aa0ba902b7")
                        #expect(spans.filter { $0.name != call.name }.allSatisfy { $0.parentSpanId == call.spanId })
                        #expect(spans.allSatisfy { $0.startTimeUnixNano <= $0.endTimeUnixNano })
                    }
                }
            }
        }
    }
}
