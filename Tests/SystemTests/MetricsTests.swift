import HaptikWebhook
import LocalPostgres
import NIOHTTP1
import Stage
import Subprocess
import TestSupport
import Testing

/// What ingress and worker measure, against what was called.
@Suite("metrics", .serialized, .timeLimit(.minutes(10)))
struct MetricsTests {
    /// Runs `body` with an ingress and a scripted worker that has an admin port, on a database of their own.
    private func withBoth(
        _ arguments: [String] = [],
        _ body: (Deployment, _ workerPort: Int) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { try await self.withBoth(on: $0, arguments, body) }
    }

    private func withBoth(
        on database: TestDatabase,
        _ arguments: [String] = [],
        _ body: (Deployment, _ workerPort: Int) async throws -> Void
    ) async throws {
        try await Deployment.with(database, arguments) { deployment in
            try await Program.with(
                "ScriptedWorker",
                ["--admin-port", "0", "--slots", "8"],
                environment: ["DATABASE_URL": database.url]
            ) { worker in
                let port = try await worker.adminPort()
                try await deployment.eventually("select count(*)::text from rejoinder.workers", is: "1")
                try await body(deployment, port)
            }
        }
    }

    @Test("the counts add up with what was called, on both sides, and promtool has nothing against them")
    func counts() async throws {
        try await self.withBoth(["--limit-body", "4KiB"]) { deployment, workerPort in
            try await withThrowingTaskGroup { group in
                for number in 0..<40 {
                    group.addTask { try await deployment.call("echo", ["id": "\(number)"]).status }
                }
                for try await status in group { #expect(status == 200) }
            }
            for _ in 0..<3 { #expect(try await deployment.call("refuse").status == 400) }
            #expect(try await deployment.call("throw").status == 502)
            #expect(try await deployment.call("throw_once").status == 200)
            #expect(try await deployment.post(Deployment.body("echo"), signature: "sha1=00").status == 401)
            #expect(try await deployment.post(Array(repeating: 32, count: 5000)).status == 413)
            #expect(try await deployment.send(.GET, "/other").status == 404)
            #expect(try await RawConnection.exchange("NONSENSE\r\n\r\n", port: deployment.port).contains(" 400 "))

            let ingress = try await Scrape(port: deployment.adminPort)
            let calls = "rejoinder_calls_total"
            #expect(
                ingress[calls, #"node="echo""#, #"code="answered""#, #"status="200""#, #"endpoint="/webhook""#] == 40
            )
            #expect(ingress[calls, #"code="answered""#] == 41)
            #expect(ingress[calls, #"node="refuse""#, #"code="refused""#, #"status="400""#] == 3)
            #expect(ingress[calls, #"code="handler_failed""#, #"status="502""#] == 1)
            #expect(ingress[calls, #"code="signature""#, #"status="401""#, #"endpoint="/webhook""#] == 1)
            #expect(ingress[calls, #"code="body_too_large""#, #"status="413""#] == 1)
            #expect(ingress[calls, #"code="not_found""#, #"status="404""#] == 1)
            #expect(ingress[calls, #"code="malformed_http""#, #"status="400""#] == 1)
            #expect(ingress["rejoinder_call_duration_seconds_count", #"node="echo""#] == 40)
            #expect(ingress["rejoinder_batch_events_sum", #"statement="enqueue""#] == 45)
            #expect(ingress["rejoinder_waiting_calls_limit"] == 10_000)
            #expect(ingress["rejoinder_build_info", #"role="ingress""#] == 1)
            #expect(ingress["rejoinder_deadline_seconds", #"endpoint="/webhook""#] == 29)
            #expect(ingress["rejoinder_notifications_total"] ?? 0 >= 1)

            let worker = try await Scrape(port: workerPort)
            let handled = "rejoinder_handler_duration_seconds_count"
            #expect(worker[handled, #"node="echo""#, #"outcome="answered""#] == 40)
            #expect(worker[handled, #"node="refuse""#, #"outcome="refused""#] == 3)
            #expect(worker[handled, #"node="throw""#, #"outcome="handler_failed""#] == 3)
            #expect(worker["rejoinder_retries_total", #"node="throw""#] == 2)
            #expect(worker["rejoinder_retries_total", #"node="throw_once""#] == 1)
            #expect(worker["rejoinder_batch_events_sum", #"statement="claim""#] == 48)
            #expect(worker["rejoinder_batch_events_sum", #"statement="answer""#] == 48)
            #expect(worker["rejoinder_slots"] ?? 0 >= 8)
            for scrape in [ingress, worker] {
                #expect(scrape["rejoinder_database_round_trips_total"] ?? 0 > 10)
                #expect(scrape["rejoinder_database_round_trip_seconds_count"] ?? 0 > 10)
                #expect(scrape["rejoinder_database_connections_lost_total"] == 0)
                #expect(scrape["rejoinder_database_connects_total", #"outcome="made""#] ?? 0 >= 2)
                #expect(scrape["rejoinder_database_connects_total", #"outcome="failed""#] == 0)
                #expect(scrape["process_resident_memory_bytes"] ?? 0 > 1_000_000)
                #expect(try await Prometheus.complaints(about: scrape.text) == "")
            }
        }
    }

    @Test("what has not happened yet is shown as 0, so that the first time is an increase; expiries are counted")
    func beginnings() async throws {
        let reply = #"{"status":false,"response":["sorry"]}"#
        try await self.withBoth(["--deadline", "2s", "--fallback", "sorry"]) { deployment, _ in
            func calls(_ code: String, _ status: Int, _ node: String? = nil) async throws -> Double? {
                var labels = ["code=\"\(code)\"", "status=\"\(status)\""]
                if let node { labels.append("node=\"\(node)\"") }
                return try await Scrape(port: deployment.adminPort)["rejoinder_calls_total", labels]
            }
            for (code, status) in [("signature", 401), ("contract", 400), ("body_too_large", 413)] {
                #expect(try await calls(code, status) == 0, "\(code)")
            }
            let before = try await Scrape(port: deployment.adminPort)
            #expect(before["rejoinder_deadline_seconds"] == 2)
            #expect(before["rejoinder_expiries_total"] == 0)
            #expect(try await deployment.call("sleep", ["id": "1"]).status == 200)
            // Where a fallback stands in for them their status is 200.
            for (code, status) in [("no_reply", 200), ("handler_failed", 200), ("refused", 400)] {
                #expect(try await calls(code, status, "sleep") == 0, "\(code)")
            }
            #expect(try await deployment.call("sleep", ["id": "1", "ms": "20000"]).body == reply)
            #expect(try await Scrape(port: deployment.adminPort)["rejoinder_expiries_total"] == 1)
            #expect(try await calls("no_reply", 200, "sleep") == 1)
        }
    }

    @Test("gauges follow what waits, what is busy, and the whole queue")
    func gauges() async throws {
        try await self.withBoth { deployment, workerPort in
            let slow = Task { try await deployment.call("sleep", ["id": "1", "ms": "60000"]) }
            try await eventually("all gauges show the call", within: .seconds(28)) {
                let ingress = try await Scrape(port: deployment.adminPort)
                let worker = try await Scrape(port: workerPort)
                return ingress["rejoinder_waiting_calls"] == 1 && ingress["rejoinder_waiting_bytes"] ?? 0 > 50
                    && ingress["rejoinder_queue_events", #"node="sleep""#, #"state="running""#] == 1
                    && ingress["rejoinder_node_workers", #"node="sleep""#] == 1
                    && ingress["rejoinder_workers"] == 1 && ingress["rejoinder_connections"] ?? 0 >= 1
                    && ingress["rejoinder_database_up"] == 1 && worker["rejoinder_database_up"] == 1
                    && worker["rejoinder_slots_busy"] == 1
            }
            slow.cancel()  // The caller hangs up.
            try await eventually("all gauges are back") {
                let ingress = try await Scrape(port: deployment.adminPort)
                let worker = try await Scrape(port: workerPort)
                return ingress["rejoinder_waiting_calls"] == 0
                    && ingress["rejoinder_queue_events", #"node="sleep""#] == 0
                    && ingress["rejoinder_cancellations_total", #"reason="hung_up""#] == 1
                    && ingress["rejoinder_calls_total", #"code="hung_up""#, #"status="499""#] == 1
                    && worker["rejoinder_handler_duration_seconds_count", #"outcome="late""#] == 1
                    && worker["rejoinder_slots_busy"] == 0
            }
        }
    }

    @Test("slots that handlers keep which ignore their cancellation are counted by node")
    func overruns() async throws {
        try await self.withBoth(["--deadline", "500ms"]) { deployment, workerPort in
            #expect(try await deployment.call("stubborn").status == 504)
            try await eventually("the slot is counted") {
                try await Scrape(port: workerPort)["rejoinder_slots_overrun", #"node="stubborn""#] == 1
            }
        }
    }

    @Test("what is refused since a limit is reached shows in the calls' codes")
    func limits() async throws {
        let limits = [
            "--limit-calls", "1", "--limit-bytes", "2KiB", "--limit-body", "8KiB", "--limit-connections", "50",
            "--timeout-body", "300ms", "--deadline", "10s",
        ]
        try await self.withBoth(limits) { deployment, _ in
            async let waiting = deployment.call("sleep", ["id": "1", "ms": "1000"])
            try await deployment.eventually(
                "select count(*)::text from rejoinder.queue where state = 'running'",
                is: "1"
            )
            #expect(try await deployment.call("echo", ["id": "1"]).code == "overloaded")
            #expect(try await waiting.status == 200)
            let spaces = { [UInt8](repeating: 32, count: $0) }
            #expect(try await deployment.post(spaces(7000)).code == "out_of_room")
            #expect(try await deployment.post(spaces(9000)).code == "body_too_large")
            for request in [
                "GET /webhook HTTP/1.1\r\nHost: a\r\nX-A: \(String(repeating: "a", count: 20_000))\r\n\r\n",
                "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
            ] { _ = try await RawConnection.exchange(request, port: deployment.port) }
            let scrape = try await Scrape(port: deployment.adminPort)
            for (code, status) in [
                ("overloaded", 503), ("out_of_room", 503), ("body_too_large", 413), ("head_too_large", 431),
                ("timeout", 408),
            ] {
                #expect(scrape["rejoinder_calls_total", "code=\"\(code)\"", "status=\"\(status)\""] == 1, "\(code)")
            }
            #expect(scrape["rejoinder_waiting_bytes_limit"] == 2048)
            #expect(scrape["rejoinder_connections_limit"] == 50)
        }
    }

    @Test("a database that goes away shows at once, and no stale figures of the queue; then both are back")
    func databaseAway() async throws {
        try await TestCluster.withCluster { cluster, database in
            try await self.withBoth(on: database) { deployment, workerPort in
                let ports = [deployment.adminPort, workerPort]
                func both(_ condition: (Scrape) -> Bool) async throws -> Bool {
                    for port in ports where !condition(try await Scrape(port: port)) { return false }
                    return true
                }
                try await eventually("both are up") { try await both { $0["rejoinder_database_up"] == 1 } }
                try await eventually("the queue is sampled") {
                    try await Scrape(port: deployment.adminPort)["rejoinder_workers"] != nil
                }
                try await cluster.stop(.immediate)
                try await eventually("both say that it is away") {
                    try await both { $0["rejoinder_database_up"] == 0 && $0["rejoinder_workers"] == nil }
                }
                try await cluster.start()
                try await eventually("both are back") {
                    try await both {
                        $0["rejoinder_database_up"] == 1 && $0["rejoinder_database_connections_lost_total"] ?? 0 > 0
                    }
                }
                try await eventually("the queue is sampled again") {
                    try await Scrape(port: deployment.adminPort)["rejoinder_workers"] == 1
                }
            }
        }
    }

    @Test("a real Prometheus scrapes both, and has what was called")
    func prometheus() async throws {
        try await self.withBoth { deployment, workerPort in
            for _ in 0..<5 { #expect(try await deployment.call("echo", ["id": "1"]).status == 200) }
            try await Prometheus.scraping([deployment.adminPort, workerPort]) { prometheus in
                try await eventually("both are up") { try await prometheus.values(of: "up") == [1, 1] }
                try await eventually("the calls are there") {
                    try await prometheus.values(of: "sum(rejoinder_calls_total)") == [5]
                }
                #expect(try await prometheus.values(of: "sum(rejoinder_handler_duration_seconds_count)") == [5])
            }
        }
    }

    @Test("more nodes than there are labels share one")
    func manyNodes() async throws {
        try await self.withBoth(["--worker-grace", "100ms", "--deadline", "5s"]) { deployment, _ in
            try await withThrowingTaskGroup { group in
                for number in 0..<130 { group.addTask { try await deployment.call("stranger_\(number)").status } }
                for try await status in group { #expect(status == 503) }
            }
            let scrape = try await Scrape(port: deployment.adminPort)
            #expect(scrape["rejoinder_calls_total", #"code="no_worker""#] == 130)
            #expect(scrape["rejoinder_calls_total", #"node="other""#] ?? 0 >= 30)
            // Without a node are those that never became events.
            let nodes = Set(scrape.text.matches(of: /node="([^"]+)"/).map(\.output.1))
            #expect(nodes.count == 101)
            #expect(scrape["rejoinder_cancellations_total", #"reason="no_worker""#] == 130)
        }
    }

    @Test("a worker is ready while it takes events, and says so on its admin port")
    func workerHealth() async throws {
        try await self.withBoth { _, workerPort in
            try await eventually("it is ready") { try await Deployment.health("ready", port: workerPort).status == 200 }
            #expect(try await Deployment.health("live", port: workerPort).body == "live\n")
        }
        try await TestCluster.withDatabase { database in
            let environment = ["DATABASE_URL": database.url, "REJOINDER_ADMIN_PORT": "0"]
            try await Deployment.with(database) { deployment in
                try await Program.with("ScriptedWorker", environment: environment) { worker in
                    let port = try await worker.adminPort()
                    async let slow = deployment.call("sleep", ["id": "1", "ms": "3000"])
                    try await deployment.eventually(
                        "select count(*)::text from rejoinder.queue where state = 'running'",
                        is: "1"
                    )
                    worker.signal(.terminate)
                    try await worker.line(containing: "draining")
                    let health = try await Deployment.health("ready", port: port)
                    #expect(health.status == 503 && health.body == "draining\n")
                    #expect(try await slow.status == 200)
                    await worker.end()
                }
                try await Program.with("ScriptedWorker", environment: environment) { worker in
                    let port = try await worker.adminPort()
                    let second = try await Program.run(
                        "ScriptedWorker",
                        ["--admin-port", "\(port)"],
                        environment: ["DATABASE_URL": database.url]
                    )
                    #expect("\(second.status)" == "exited(1)")
                    // It has not even registered.
                    #expect(
                        second.lines == [
                            "ScriptedWorker: port 127.0.0.1:\(port) is in use, choose another: --admin-port or "
                                + "REJOINDER_ADMIN_PORT"
                        ]
                    )
                }
            }
        }
    }
}
