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
                        // So that it is in the queue for a while, and then claimed.
                        try await database.query("select rejoinder.pause('echo', true)::text")
                        async let answer = deployment.post(
                            Deployment.body("echo", ["id": "1"]),
                            headers: [("Content-Type", "application/json"), ("traceparent", caller)]
                        )
                        try await deployment.eventually(
                            "select queued::text from rejoinder.nodes where paused",
                            is: "1"
                        )
                        try await database.query("select rejoinder.resume('echo')::text")
                        #expect(try await answer.status == 200)
                        #expect(try await deployment.post([], signature: "sha1=00").status == 401)
                        var spans: [TraceExport.Span] = []
                        while spans.count < 7 {
                            spans += try TraceExport(decoding: try await collector.requests.next().body).spans
                        }
                        let names = Set(spans.map(\.name))
                        #expect(
                            names == ["POST /webhook", "enqueue", "queue", "claim", "handle echo", "answer", "reply"]
                        )
                        #expect(Set(spans.map(\.traceId)) == ["4bf92f3577b34da6a3ce929d0e0e4736"])
                        let call = try #require(spans.first { $0.name == "POST /webhook" })
                        #expect(call.parentSpanId == "00f067aa0ba902b7")
                        #expect(spans.filter { $0.name != call.name }.allSatisfy { $0.parentSpanId == call.spanId })
                        #expect(spans.allSatisfy { $0.startTimeUnixNano <= $0.endTimeUnixNano })
                        try self.isInOrder(spans)
                    }
                }
            }
        }
    }

    /// Handled after it was claimed, and replied to after the handler had returned, within the call.
    private func isInOrder(_ spans: [TraceExport.Span]) throws {
        func span(_ name: String) throws -> (start: UInt64, end: UInt64) {
            let span = try #require(spans.first { $0.name == name })
            return (try #require(UInt64(span.startTimeUnixNano)), try #require(UInt64(span.endTimeUnixNano)))
        }
        let (call, claim) = (try span("POST /webhook"), try span("claim"))
        let (handle, reply) = (try span("handle echo"), try span("reply"))
        #expect(claim.end <= handle.start && call.start <= handle.start)
        #expect(handle.end <= reply.end && reply.end <= call.end)
    }

    @Test("of a call that is not recorded nothing is stored but its caller's trace, with the caller's decision")
    func unrecorded() async throws {
        try await TestCluster.withDatabase { database in
            // Where nobody listens, since nothing is sent.
            let collector = "http://127.0.0.1:1"
            let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_TRACES_SAMPLER_ARG": "0"]
            try await Deployment.with(database, environment: environment) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.call("echo", ["id": "1"]).status == 200)
                    #expect(try await database.query("select trace from rejoinder.event") == [[nil]])
                    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736"
                    let parent = ("traceparent", "\(trace)-00f067aa0ba902b7-00")
                    let answer = try await deployment.post(
                        Deployment.body("echo", ["id": "2"]),
                        headers: [("Content-Type", "application/json"), parent]
                    )
                    #expect(answer.status == 200)
                    let stored = try await database.query(
                        "select left(trace, 35), right(trace, 3) from rejoinder.event where trace is not null"
                    )
                    #expect(stored == [[trace, "-00"]])
                }
            }
        }
    }

    @Test("of a call that is not recorded its handler's spans aren't either, whatever the worker's own part is")
    func unrecordedHandler() async throws {
        try await TestCluster.withDatabase { database in
            try await TraceCollector.run { collector in
                let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)"]
                let none = environment.merging(["OTEL_TRACES_SAMPLER_ARG": "0"]) { $1 }
                let all = environment.merging(["OTEL_TRACES_SAMPLER_ARG": "1", "DATABASE_URL": database.url]) { $1 }
                try await Deployment.with(database, environment: none) { deployment in
                    try await Program.with("ScriptedWorker", environment: all) { _ in
                        #expect(try await deployment.call("traced").message == "none")
                        let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
                        let recorded = try await deployment.post(
                            Deployment.body("traced"),
                            headers: [
                                ("Content-Type", "application/json"),
                                ("traceparent", "00-\(trace)-00f067aa0ba902b7-01"),
                            ]
                        )
                        #expect(recorded.status == 200)
                        var spans: [TraceExport.Span] = []
                        while !spans.contains(where: { $0.name == "look up" && $0.traceId == trace }) {
                            spans += try TraceExport(decoding: try await collector.requests.next().body).spans
                        }
                        #expect(Set(spans.map(\.traceId)) == [trace])
                    }
                }
            }
        }
    }

    @Test("a handler has its call's traceparent, and a span that it starts is a child of its own span")
    func handler() async throws {
        try await TestCluster.withDatabase { database in
            try await TraceCollector.run { collector in
                let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)"]
                try await Deployment.with(database, environment: environment) { deployment in
                    let variables = environment.merging(["DATABASE_URL": database.url]) { $1 }
                    try await Program.with("ScriptedWorker", environment: variables) { _ in
                        let answer = try await deployment.call("traced")
                        #expect(answer.status == 200)
                        let parts = (answer.message ?? "").split(separator: "-").map(String.init)
                        try #require(parts.count == 4, "\(answer.body)")
                        var spans: [TraceExport.Span] = []
                        while !["POST /webhook", "handle traced", "look up"].allSatisfy({ name in
                            spans.contains { $0.name == name }
                        }) {
                            spans += try TraceExport(decoding: try await collector.requests.next().body).spans
                        }
                        #expect(Set(spans.map(\.traceId)) == [parts[1]])
                        let call = try #require(spans.first { $0.name == "POST /webhook" })
                        #expect(call.parentSpanId == nil && call.spanId == parts[2])
                        let handle = try #require(spans.first { $0.name == "handle traced" })
                        #expect(handle.parentSpanId == call.spanId)
                        let own = try #require(spans.first { $0.name == "look up" })
                        #expect(own.parentSpanId == handle.spanId)
                    }
                }
            }
        }
    }
}
