import HaptikWebhook
import LocalPostgres
import TestSupport
import Testing

/// Secrets, signatures and what callers and handlers say are in no log, at any level.
@Suite("nothing private is logged", .serialized)
struct LeakTests {
    private static let secret = "mark-secret-5d1f"
    private static let retired = "mark-retired-77aa"

    @Test("not at trace level, whatever succeeds or fails")
    func logs() async throws {
        try await TestCluster.withCluster { cluster, database in
            let environment = [
                "REJOINDER_SECRET": "\(Self.secret), \(Self.retired)", "REJOINDER_LOG_LEVEL": "trace",
                "DATABASE_URL": database.url + "&password=mark-password-b7d0",
            ]
            try await Deployment.with(
                database,
                ["--deadline", "2s", "--worker-grace", "500ms", "--timeout-body", "500ms", "--limit-bytes", "20KiB"],
                environment: environment
            ) { deployment in
                try await Program.with("ScriptedWorker", environment: environment) { worker in
                    try await deployment.eventually("select count(*)::text from rejoinder.workers", is: "1")
                    let signatures = try await Self.callEverything(deployment)
                    try await cluster.stop()
                    async let away = Self.call(deployment, "echo")
                    try await deployment.ingress.line(containing: "lost")
                    try await cluster.start()
                    _ = try await away
                    for program in [deployment.ingress, worker] {
                        try await Self.expectNothing(of: signatures, in: program.lines)
                        #expect(program.lines.contains { $0.contains(" trace ") || $0.contains(" debug ") })
                    }
                }
            }
            // What stops the start is in no log, but on the terminal.
            let refused = try await Program.run(
                "rejoinder",
                ["ingress", "--log-level", "trace"],
                environment: ["REJOINDER_SECRET": "\(Self.secret),,"]
            )
            try await Self.expectNothing(of: [], in: refused.lines)
        }
    }

    private static func call(_ deployment: Deployment, _ node: String, ms: String = "0") async throws -> UInt {
        try await self.post(deployment, self.body(node, ms)).status
    }

    private static func body(_ node: String, _ ms: String = "0") -> [UInt8] {
        Deployment.body(node, ["id": "mark-payload-91c3", "ms": ms, "mark-key-04be": "mark-value-6f2d"])
    }

    private static func post(_ deployment: Deployment, _ body: [UInt8]) async throws -> Answer {
        try await deployment.post(body, signature: SignatureVerifier.header(for: body, secret: self.secret))
    }

    /// Every path that a call can take here.
    ///
    /// - Returns: the signatures that were sent.
    private static func callEverything(_ deployment: Deployment) async throws -> [String] {
        let nodes = [
            "echo", "throw", "throw_once", "refuse", "failure", "empty", "silent", "huge", "full", "limited", "nobody",
            "leak_thrown", "leak_quoted", "leak_refused", "leak_invalid",
        ]
        var signatures: [String] = []
        var statuses: Set<UInt> = []
        for node in nodes {
            statuses.insert(try await self.call(deployment, node))
            signatures.append(SignatureVerifier.header(for: self.body(node), secret: self.secret))
        }
        statuses.insert(try await self.call(deployment, "sleep", ms: "9000"))

        let good = self.body("echo")
        let wrong = SignatureVerifier.header(for: good, secret: "mark-wrong-33e8")
        signatures.append(wrong)
        statuses.insert(try await deployment.post(good, signature: wrong).status)
        for broken in [Array(good.dropLast()), good + good, Array("mark-payload-91c3".utf8)] {
            statuses.insert(try await self.post(deployment, broken).status)
        }
        let node = Deployment.body("\u{0}mark-node", ["id": "mark-payload-91c3"])
        statuses.insert(try await self.post(deployment, node).status)
        statuses.insert(try await self.post(deployment, good + Array(repeating: 32, count: 30_000)).status)
        for raw in [
            "POST /webhook?mark-query-8a8a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature: \(wrong)\r\nContent-Length: 99\r\n\r\nmark-payload-91c3",
            "POST /webhook HTTP/1.1\r\nmark-payload-91c3\r\n\r\n",
        ] {
            _ = try await RawConnection.exchange(raw, port: deployment.port)
        }
        #expect(statuses.isSuperset(of: [200, 400, 401, 502, 503, 504]), "\(statuses)")
        return signatures
    }

    private static func expectNothing(of signatures: [String], in lines: [String]) async throws {
        let digests = signatures.compactMap { $0.split(separator: "=").last.map(String.init) }
        for line in lines where line.contains("mark-") || digests.contains(where: { line.contains($0) }) {
            Issue.record("logged: \(line)")
        }
        #expect(!lines.isEmpty)
    }
}
