import HaptikWebhook
import LoadGenerator
import Testing

/// The generator against a real server: what becomes of each call is counted as what it is.
@Suite("loads", .timeLimit(.minutes(10)))
struct LoadGeneratorTests {
    /// Makes so many calls with the bodies `1`, `2`, `3` …, and expects each body back.
    private func load(
        _ url: String,
        _ pace: LoadPlan.Pace = .closed(connections: 4),
        calls: Int?,
        _ change: (inout LoadPlan) -> Void = { _ in }
    ) async throws -> LoadResult {
        var plan = LoadPlan(
            targets: [try LoadTarget(url: url)],
            body: Template("{{n}}"),
            expected: Template("<{{n}}>"),
            signer: try SignatureVerifier(secrets: ["test"]),
            pace: pace
        )
        plan.calls = calls
        plan.duration = .seconds(30)
        change(&plan)
        return try await LoadGenerator(plan).run()
    }

    @Test("every call of a closed loop is sent once, and its reply checked against it")
    func closedLoop() async throws {
        try await TestServer.with {
            .reply(200, "<\($0)>")
        } _: { url in
            let result = try await self.load(url, calls: 500)
            #expect(result.isRight)
            #expect(result.answered == 500)
            #expect(result.connections == 4)
            #expect(result.connectionsLost == 0)
            #expect(result.rate > 0)
            #expect(result.latency.min > 0)
            #expect(result.latency.min <= result.latency.p50)
            #expect(result.latency.p50 <= result.latency.p99)
            #expect(result.latency.p99 <= result.latency.max)
        }
    }

    @Test("a name is as good as an address, whichever of its addresses the server listens on")
    func name() async throws {
        try await TestServer.with {
            .reply(200, "<\($0)>")
        } _: { url in
            let result = try await self.load(url.replacing("127.0.0.1", with: "localhost"), calls: 20)
            #expect(result.answered == 20)
        }
    }

    @Test("a reply in chunks is as right as another")
    func chunks() async throws {
        try await TestServer.with {
            .chunked("<\($0)>")
        } _: { url in
            let result = try await self.load(url, calls: 50)
            #expect(result.answered == 50)
        }
    }

    @Test("another call's reply, and other statuses, are counted as what they are")
    func wrongReplies() async throws {
        try await TestServer.with { body in
            switch Int(body).map({ $0 % 4 }) {
            case 0: .reply(200, "<0>")
            case 1: .reply(503, "<\(body)>")
            case 2: .reply(404, "")
            default: .reply(200, "<\(body)>")
            }
        } _: { url in
            let result = try await self.load(url, calls: 100)
            #expect(!result.isRight)
            #expect(result.sent == 100)
            #expect(result.answered == 25)
            #expect(result.wrong == 25)
            #expect(result.refused == [503: 25, 404: 25])
        }
    }

    @Test("a connection that breaks fails its call only, and is opened again")
    func brokenConnections() async throws {
        try await TestServer.with { body in
            Int(body).map { $0 % 10 } == 0 ? .hangUp : .reply(200, "<\(body)>")
        } _: { url in
            let result = try await self.load(url, calls: 100)
            #expect(result.answered == 90)
            #expect(result.failed == 10)
            #expect(result.connectionsLost == 10)
        }
    }

    @Test("a connection that closes after its reply fails nothing")
    func closingConnections() async throws {
        try await TestServer.with {
            .lastReply("<\($0)>")
        } _: { url in
            let result = try await self.load(url, calls: 20)
            #expect(result.answered == 20)
            #expect(result.failed == 0)
            #expect(result.connections >= 20)
        }
    }

    @Test(
        "each call has a connection of its own where it is to, whoever closes it",
        arguments: [LoadPlan.Pace.closed(connections: 4), .open(rate: 1000, connections: 4)]
    )
    func newConnections(pace: LoadPlan.Pace) async throws {
        try await TestServer.with { body in
            switch Int(body).map({ $0 % 3 }) {
            case 0: .lastReply("<\(body)>")
            case 1 where body.hasSuffix("0"): .hangUp
            default: .reply(200, "<\(body)>")
            }
        } _: { url in
            let result = try await self.load(url, pace, calls: 60) { $0.newConnections = true }
            #expect(result.sent == 60)
            #expect(result.answered == 58)
            #expect(result.failed == 2)
            #expect(result.connectionsLost == 2)
            #expect(result.connections == 61, "one looks whether the target is there")
        }
    }

    @Test(
        "a call whose own connection can't be opened has failed",
        arguments: [LoadPlan.Pace.closed(connections: 2), .open(rate: 1000, connections: 2)]
    )
    func noConnection(pace: LoadPlan.Pace) async throws {
        try await TestServer.with {
            $0 == "5" ? .replyAndLeave("<5>") : .reply(200, "<\($0)>")
        } _: { url in
            let result = try await self.load(url, pace, calls: 20) { $0.newConnections = true }
            #expect(result.sent == 20)
            #expect(result.answered + result.failed == 20)
            #expect(result.failed >= 13, "but for two that were under way")
        }
    }

    @Test("a load that ends while connections can't be opened has every call in one of its counts")
    func endWithoutConnections() async throws {
        try await TestServer.with {
            $0 == "5" ? .replyAndLeave("<5>") : .reply(200, "<\($0)>")
        } _: { url in
            let result = try await self.load(url, .open(rate: 1000, connections: 2), calls: nil) {
                $0.newConnections = true
                $0.duration = .milliseconds(100)
                $0.patience = .zero
            }
            #expect(result.sent == 100)
            #expect(result.answered + result.failed + result.unanswered == 100)
        }
    }

    @Test("an open loop makes its calls at its rate, on as few connections as it needs")
    func openLoop() async throws {
        try await TestServer.with {
            .reply(200, "<\($0)>")
        } _: { url in
            let result = try await self.load(url, .open(rate: 1000, connections: 50), calls: nil) {
                $0.duration = .milliseconds(300)
            }
            #expect(result.sent == 300)
            #expect(result.answered == 300)
        }
    }

    @Test("a call of an open loop that finds no connection waits, and its wait counts")
    func stall() async throws {
        try await TestServer.with {
            $0 == "1" ? .silence : .reply(200, "")
        } _: { url in
            let result = try await self.load(url, .open(rate: 100, connections: 1), calls: 3) {
                $0.duration = .milliseconds(100)
                $0.patience = .milliseconds(100)
            }
            #expect(result.sent == 3)
            #expect(result.unanswered == 3)
        }
    }

    @Test("the calls of the warm-up don't count")
    func warmUp() async throws {
        try await TestServer.with {
            .reply(200, "<\($0)>")
        } _: { url in
            let result = try await self.load(url, .open(rate: 500, connections: 8), calls: nil) {
                $0.warmUp = .milliseconds(200)
                $0.duration = .milliseconds(200)
            }
            #expect(result.sent == 100)
        }
    }

    @Test("idle connections are held open beside the load")
    func idleConnections() async throws {
        try await TestServer.with {
            .reply(200, "<\($0)>")
        } _: { url in
            let result = try await self.load(url, calls: 10) { $0.idleConnections = 20 }
            #expect(result.answered == 10)
            #expect(result.idleConnections == 20)
        }
    }

    @Test("where nobody listens, the load doesn't begin")
    func nobodyThere() async throws {
        await #expect(throws: LoadError.self) {
            try await self.load("http://127.0.0.1:1/webhook", calls: 1)
        }
    }

    @Test(
        "where somebody accepts connections and answers none, the load doesn't begin",
        arguments: [("https", 0), ("https", 1), ("http", 1)]
    )
    func silentServer(_ scheme: String, _ idleConnections: Int) async throws {
        try await TestServer.withSilence { port in
            let url = "\(scheme)://127.0.0.1:\(port)/webhook"
            let reason = "the connection was accepted, and not answered in time"
            await #expect(throws: LoadError.unreachable(url: url, reason: reason)) {
                try await self.load(url, calls: 1) {
                    $0.connectTimeout = .milliseconds(200)
                    $0.idleConnections = idleConnections
                }
            }
        }
    }

    @Test(
        "a URL that can't be called is refused",
        arguments: ["", "webhook", "ftp://a/b", "http://", "http://a:99999"]
    )
    func malformedURL(_ url: String) {
        #expect(throws: LoadError.malformedURL(url)) { try LoadTarget(url: url) }
    }
}
