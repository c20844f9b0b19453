import HaptikWebhook
import NIOHTTP1
import PostgresClient
import Stage
import Subprocess
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The runbook's problems, each made on a real deployment: one who knows only psql finds it, one who knows only the dashboard
/// does, what the runbook advises is done, and calls are answered again.
@Suite("an operator finds and mends", .timeLimit(.minutes(10)))
struct OperatorTests {
    /// A deployment as its two operators have it before them.
    private struct Desk {
        let deployment: Deployment

        /// The rows of a statement whose columns are text.
        func psql(_ sql: String) async throws -> [[String?]] { try await self.deployment.database.query(sql) }

        /// Waits until psql shows these rows.
        func psql(_ sql: String, shows rows: [[String?]]) async throws {
            var last: [[String?]] = []
            do {
                try await eventually("psql shows it", within: .seconds(30)) {
                    last = try await self.psql(sql)
                    return last == rows
                }
            } catch let error as TestTimeout {
                Issue.record("\(sql): \(last), expected \(rows): \(error)")
            }
        }

        func page() async throws -> String {
            try await DashboardTests.Client(port: self.deployment.adminPort).get("/").body
        }

        /// Waits until the dashboard's page has all these texts; with `not`, none of those.
        func dashboard(
            shows texts: String...,
            not others: [String] = [],
            within limit: Duration = .seconds(30)
        ) async throws {
            var page = ""
            do {
                try await eventually("the dashboard shows it", within: limit) {
                    page = try await self.page()
                    return texts.allSatisfy(page.contains) && !others.contains(where: page.contains)
                }
            } catch let error as TestTimeout {
                Issue.record("missing: \(texts.filter { !page.contains($0) }), there: \(others): \(error)")
            }
        }
    }

    private func withDesk(_ arguments: [String] = [], _ body: (Desk) async throws -> Void) async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, arguments) { try await body(Desk(deployment: $0)) }
        }
    }

    private static let incident = "select about, code, nodes, advice from rejoinder.incidents where code = "

    @Test("a dead worker pool: it is started again")
    func deadWorkerPool() async throws {
        try await self.withDesk(["--worker-grace", "500ms"]) { desk in
            try await desk.deployment.withWorker { worker async throws in
                try await desk.psql("select count(*)::text from rejoinder.workers", shows: [["1"]])
                #expect(try await desk.deployment.call("echo", ["id": "1"]).status == 200)
                worker.signal(.kill)
                await worker.end()
            }
            #expect(try await desk.deployment.call("echo", ["id": "2"]).code == "no_worker")
            try await desk.psql("select count(*)::text from rejoinder.workers", shows: [["0"]])
            try await desk.psql("select node, workers::text from rejoinder.nodes", shows: [["echo", "0"]])
            let lost = try await desk.psql(Self.incident + "'worker_lost'")
            #expect(
                lost.first?[0] == "process" && lost.first?[3]?.contains("is its supervisor starting it anew?") == true
            )
            try await desk.dashboard(
                shows: "process <code>worker_lost</code>",
                "call <code>no_worker</code>",
                "No worker runs"
            )

            try await desk.deployment.withWorker { _ in
                try await desk.psql(
                    "select node, workers::text from rejoinder.nodes where node = 'echo'",
                    shows: [["echo", "1"]]
                )
                #expect(try await desk.deployment.call("echo", ["id": "3"]).status == 200)
                try await desk.dashboard(shows: "ScriptedWorker", not: ["No worker runs"])
            }
        }
    }

    @Test("a node without handler: a worker that serves it is deployed")
    func nodeWithoutHandler() async throws {
        try await self.withDesk(["--worker-grace", "500ms"]) { desk in
            try await desk.deployment.withWorker { _ in
                try await desk.psql("select count(*)::text from rejoinder.workers", shows: [["1"]])
                let call = { try await desk.deployment.call("price_of", ["product_name": "speaker"]) }
                #expect(try await call().code == "no_worker")
                try await desk.psql(
                    "select node, workers::text from rejoinder.nodes where workers = 0",
                    shows: [["price_of", "0"]]
                )
                try await desk.psql(
                    "select code, nodes from rejoinder.incidents where about = 'call'",
                    shows: [["no_worker", "price_of"]]
                )
                let advice = try await desk.psql(Self.incident + "'no_worker'").first?[3]
                #expect(advice?.contains("start one that does, or correct the node's name in the bot") == true)
                try await desk.dashboard(
                    shows: "call <code>no_worker</code>",
                    "price_of <span class=\"badge bad\">no worker</span>"
                )
                try await desk.deployment.withWorker("product-price-worker") { _ in
                    try await desk.psql("select node from rejoinder.nodes where workers = 0", shows: [])
                    #expect(try await call().status == 200)
                    try await desk.dashboard(shows: "price_of", not: ["badge bad\">no worker"])
                }
            }
        }
    }

    @Test("a slow handler: those who wait are answered by hand, and a limit leaves slots to the others")
    func slowHandler() async throws {
        try await self.withDesk { desk in
            let environment = ["DATABASE_URL": desk.deployment.database.url]
            try await Program.with("ScriptedWorker", ["--slots", "2"], environment: environment) { _ in
                async let first = desk.deployment.call("sleep", ["id": "1", "ms": "25000"])
                async let second = desk.deployment.call("sleep", ["id": "2", "ms": "25000"])
                try await desk.psql(
                    "select node, running::text from rejoinder.nodes where longest > '1 s'",
                    shows: [["sleep", "2"]]
                )
                async let waiting = desk.deployment.call("echo", ["id": "3"])
                try await desk.psql(
                    "select node, queued::text from rejoinder.nodes where oldest > '1 s'",
                    shows: [["echo", "1"]]
                )
                // The two that run take all the slots that there are for it. (Others are of handlers with options of their own.)
                #expect(try await desk.psql("select slots::text from rejoinder.nodes where node = 'echo'") == [["2"]])
                try await desk.dashboard(shows: "waits for slots", "class=\"slots\">2 / ", "muted\">for ")

                let answered = try await desk.psql(
                    "select rejoinder.answer_by_hand(id, 'A colleague will call you.')::text from rejoinder.queue where node = 'sleep'"
                )
                #expect(answered == [["answered"], ["answered"]])
                for answer in try await [first, second] { #expect(answer.message == "A colleague will call you.") }
                #expect(try await waiting.message == "3")

                _ = try await desk.psql("select rejoinder.limit('sleep', 1, null)::text")
                let again = [4, 5].map { number in
                    Task { try await desk.deployment.call("sleep", ["id": "\(number)", "ms": "25000"]) }
                }
                defer { for call in again { call.cancel() } }
                try await desk.psql(
                    "select running::text, queued::text from rejoinder.nodes where node = 'sleep'",
                    shows: [["1", "1"]]
                )
                #expect(try await desk.deployment.call("echo", ["id": "6"]).message == "6")
                try await desk.dashboard(shows: "1 at once", "held back by its limit", not: ["waits for slots"])
            }
        }
    }

    @Test("a poisoned event: it is cancelled, and the workers live on")
    func poisonedEvent() async throws {
        try await self.withDesk(["--worker-grace", "20s"]) { desk in
            async let poisoned = desk.deployment.call("crash")
            // As a supervisor does: started anew when it has died.
            for attempt in 1...2 {
                try await desk.deployment.withWorker { await $0.end() }
                try await desk.psql(
                    "select attempt::text, state::text from rejoinder.queue where node = 'crash'",
                    shows: [["\(attempt)", "queued"]]
                )
            }
            let found = try await desk.psql(
                "select id::text, node, code, error from rejoinder.event where state = 'queued' and code = 'worker_lost'"
            )
            #expect(
                found.first.map { Array($0.dropFirst()) } == [
                    "crash", "worker_lost", "its worker was lost in attempt 2",
                ]
            )
            let id = try #require(found.first?[0])
            try await desk.dashboard(shows: "process <code>worker_lost</code>", "data-label=\"Attempt\">2<", id)

            #expect(try await desk.psql("select rejoinder.cancel('\(id)')::text") == [["cancelled"]])
            #expect(try await poisoned.code == "cancelled")
            try await desk.deployment.withWorker { _ in
                #expect(try await desk.deployment.call("echo", ["id": "1"]).status == 200)
                #expect(try await desk.psql("select count(*)::text from rejoinder.queue") == [["0"]])
                try await desk.dashboard(shows: "Nothing waits or runs at this moment.", "ScriptedWorker")
            }
        }
    }

    @Test("a wrong secret after a rotation: the ingress is given both")
    func wrongSecret() async throws {
        let path = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max)).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func configure(_ secrets: String) throws {
            let text = #"{"endpoints": [{"path": "/bot", "secrets": [\#(secrets)]}]}"#
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        }
        try configure(#""old""#)
        try await self.withDesk(["--config", path]) { desk in
            func call(_ secret: String) async throws -> UInt {
                let body = Deployment.body("echo", ["id": "1"])
                let signature = SignatureVerifier.header(for: body, secret: secret)
                return try await desk.deployment.post(body, signature: signature, path: "/bot").status
            }
            try await desk.deployment.withWorker { _ in
                #expect(try await call("old") == 200)
                for _ in 0..<3 { #expect(try await call("new") == 401) }
                try await desk.psql(
                    "select code, last_hour::text, (advice like '%give it both%')::text from rejoinder.incidents",
                    shows: [["signature", "3", "true"]]
                )
                try await desk.dashboard(
                    shows: "call <code>signature</code>",
                    "give it both",
                    "refused <b>3</b>",
                    "last hour; 3 not, 3 of them refused"
                )

                try configure(#""old", "new""#)
                desk.deployment.ingress.signal(.terminalClosed)
                try await desk.deployment.ingress.line(containing: "read the configuration again")
                for secret in ["old", "new"] { #expect(try await call(secret) == 200) }
                try await desk.psql("select sum(answered_hour)::text from rejoinder.overview", shows: [["3"]])
                try await desk.dashboard(shows: "answered <b>3</b>", "refused <b>3</b>")
            }
        }
    }

    @Test("a held snapshot: the transaction is ended by the line that the dashboard gives")
    func heldSnapshot() async throws {
        try await self.withDesk { desk in
            let holder = try await desk.deployment.database.connect()
            try await holder.run(
                script: """
                    set application_name = 'report'; set idle_in_transaction_session_timeout = 0;
                    begin isolation level repeatable read; select 1
                    """,
                timeout: .seconds(5)
            )
            let snapshots = "select application, state from rejoinder.snapshots() where application = 'report'"
            try await desk.psql(snapshots, shows: [["report", "idle in transaction"]])
            let gauge = {
                try await Scrape(port: desk.deployment.adminPort)["rejoinder_oldest_snapshot_age_seconds"] ?? 0
            }
            // Nothing is said of one that is younger than a minute.
            try await desk.dashboard(shows: "A transaction has been open for", "report", within: .seconds(100))
            try await eventually("its age is a metric") { try await gauge() > 10 }
            let page = try await desk.page()
            let line = try #require(page.firstMatch(of: /select pg_terminate_backend\(\d+\)/)?.output)
            #expect(try await desk.psql("\(line)::text") == [["true"]])
            try await desk.psql(snapshots, shows: [])
            try await desk.dashboard(shows: "Queue of", not: ["A transaction has been open for"])
            try await eventually("the metric says so") { try await gauge() < 10 }
            await holder.close()
        }
    }
}
