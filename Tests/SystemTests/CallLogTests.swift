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
                    let broken = lines.filter { $0["node"]?.string == "throw" && $0["label"]?.string == "ingress" }
                    #expect(broken.map { $0["message"]?.string } == ["no reply"])
                    #expect(broken.first?["level"]?.string == "warning" && broken.first?["attempt"] == 3)
                    let refused = try #require(lines.first { $0["code"]?.string == "empty_body" })
                    #expect(refused["message"]?.string == "call" && refused["status"] == 400)
                }
            }
        }
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
                    let leftOut = lines.filter { $0.contains("calls left out of the log") }.compactMap { line in
                        line.split(separator: "calls=").last.flatMap { Int($0.prefix { $0.isNumber }) }
                    }
                    return (lines.filter { $0.contains(" code=not_found") }.count, leftOut.reduce(0, +))
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
