import HaptikWebhook
import NIOHTTP1
import TestSupport
import Testing

/// The line that each call has in the ingress's log.
@Suite("the log of calls", .serialized, .timeLimit(.minutes(10)))
struct CallLogTests {
    @Test("each call has one line, as JSON where that is asked for, and bot breaks are warnings")
    func json() async throws {
        try await TestCluster.withDatabase { database in
            let environment = ["REJOINDER_LOG_FORMAT": "json"]
            try await Deployment.with(database, environment: environment) { deployment in
                try await Program.with(
                    "ScriptedWorker",
                    ["--log-format", "json"],
                    environment: ["DATABASE_URL": database.url]
                ) { worker in
                    #expect(try await deployment.call("echo", ["id": "1"]).status == 200)
                    #expect(try await deployment.call("throw").status == 502)
                    #expect(try await deployment.post([]).status == 400)
                    try await deployment.ingress.line(containing: "empty_body")
                    let lines = try (deployment.ingress.lines + worker.lines).map { try JSONValue(parsing: $0) }
                    for line in lines {
                        #expect(line["timestamp"]?.string?.count == 24)
                        #expect(line["level"]?.string != nil && line["label"]?.string != nil)
                    }
                    let answered = try #require(lines.first { $0["code"]?.string == "answered" })
                    #expect(answered["message"]?.string == "call" && answered["level"]?.string == "info")
                    #expect(answered["node"]?.string == "echo" && answered["endpoint"]?.string == "/webhook")
                    #expect(answered["status"] == 200 && answered["attempt"] == 1)
                    #expect(answered["event.id"]?.string?.count == 36)
                    let waited = try #require(answered["waited"]?.int)
                    #expect(waited >= 0 && waited <= answered["ms"]?.int ?? -1)
                    let broken = lines.filter { $0["node"]?.string == "throw" && $0["label"]?.string == "ingress" }
                    #expect(broken.map { $0["message"]?.string } == ["no reply"])
                    #expect(broken.first?["level"]?.string == "warning" && broken.first?["attempt"] == 3)
                    // In the queue until its third attempt: the pauses between them take longer than 100 ms.
                    let wait = try #require(broken.first?["waited"]?.int)
                    #expect(wait >= 100 && wait <= broken.first?["ms"]?.int ?? -1)
                    let refused = try #require(lines.first { $0["code"]?.string == "empty_body" })
                    #expect(refused["message"]?.string == "call" && refused["status"] == 400)
                    #expect(refused["ms"]?.int.map { (0..<1000).contains($0) } == true)
                    try await self.waitedLong(deployment)
                }
            }
        }
    }

    /// A call that waits for a worker says how long; one that came to none has nothing to say.
    private func waitedLong(_ deployment: Deployment) async throws {
        _ = try await deployment.database.query("select rejoinder.pause('echo', true)::text")
        async let call = deployment.call("echo", ["id": "patient"])
        try await deployment.eventually(
            "select (max(age) > '500 ms')::text from rejoinder.queue where node = 'echo'",
            is: "true"
        )
        _ = try await deployment.database.query("select rejoinder.resume('echo')::text")
        #expect(try await call.status == 200)
        let row = try await deployment.database.query(
            "select (extract(epoch from waited) * 1000)::integer::text from rejoinder.recent where node = 'echo' limit 1"
        )
        let expected = try #require(row.first?.first?.flatMap { Int($0) })
        try await eventually("its line is there") {
            try deployment.ingress.lines.map { try JSONValue(parsing: $0) }.contains { line in
                line["node"]?.string == "echo" && (line["waited"]?.int).map { abs($0 - expected) <= 1 } == true
            }
        }
    }

    @Test("of many bot breaks in a second the first are written as warnings, and how many were left out")
    func botBreaks() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                _ = try await database.query("select rejoinder.pause('echo')::text")
                try await withThrowingTaskGroup { group in
                    for _ in 0..<400 { group.addTask { try await deployment.call("echo").code } }
                    for try await code in group { #expect(code == "paused") }
                }
                func counts() -> (written: Int, leftOut: Int) {
                    let lines = deployment.ingress.lines
                    let leftOut = lines.filter { $0.contains("lines of no reply left out of the log") }
                    #expect(leftOut.allSatisfy { $0.contains(" warning ") })
                    return (lines.filter { $0.contains(" code=paused") }.count, Self.calls(leftOut))
                }
                try await eventually("every call is accounted for") {
                    let (written, leftOut) = counts()
                    return written + leftOut == 400
                }
                #expect(counts().written >= 100 && counts().leftOut > 0)
                // Calls have lines of their own, however many bot breaks there are.
                #expect(try await deployment.send(.GET, "/other").status == 404)
                try await deployment.ingress.line(containing: "code=not_found")
            }
        }
    }

    /// How many calls these lines say were left out.
    private static func calls(_ lines: [String]) -> Int {
        lines.compactMap { $0.split(separator: "calls=").last.flatMap { Int($0.prefix { $0.isNumber }) } }.reduce(0, +)
    }

    @Test("of many calls in a second the first are written, and how many were left out")
    func sampling() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await withThrowingTaskGroup { group in
                    for _ in 0..<400 { group.addTask { try await deployment.send(.GET, "/other").status } }
                    for try await status in group { #expect(status == 404) }
                }
                func counts() -> (written: Int, leftOut: Int) {
                    let lines = deployment.ingress.lines
                    let leftOut = Self.calls(lines.filter { $0.contains("calls left out of the log") })
                    return (lines.filter { $0.contains(" code=not_found") }.count, leftOut)
                }
                try await eventually("every call is accounted for") {
                    let (written, leftOut) = counts()
                    return written + leftOut == 400
                }
                // Never more than so many in a second, however long they took.
                #expect(counts().written >= 100)
            }
        }
    }
}
