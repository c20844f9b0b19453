import HaptikWebhook
import NIOHTTP1
import Subprocess
import SystemPackage
import TestSupport
import Testing

/// The commands that look at the queue and steer it.
@Suite("See and steer from the command line", .serialized, .timeLimit(.minutes(10)))
struct SteeringTests {
    private struct Result {
        let code: String
        let lines: [String]

        var json: JSONValue { get throws { try JSONValue(parsing: self.lines.joined(separator: "\n")) } }
    }

    private func run(_ database: TestDatabase, _ arguments: String...) async throws -> Result {
        let result = try await Program.run("rejoinder", arguments, environment: ["DATABASE_URL": database.url])
        return Result(code: "\(result.status)", lines: result.lines)
    }

    /// Runs a command that must do what it is asked, with `--json`.
    private func json(_ database: TestDatabase, _ arguments: String...) async throws -> JSONValue {
        let result = try await Program.run(
            "rejoinder",
            arguments + ["--json"],
            environment: ["DATABASE_URL": database.url]
        )
        #expect("\(result.status)" == "exited(0)", "\(arguments): \(result.lines)")
        return try JSONValue(parsing: result.lines.joined(separator: "\n"))
    }

    private func refused(_ result: Result, _ line: String) {
        #expect(result.code == "exited(1)")
        #expect(result.lines == ["rejoinder: \(line)"])
    }

    @Test("events are found, answered, cancelled and tried again; what can't be is refused with the reason")
    func events() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await self.json(database, "events") == [])
                    async let first = deployment.call("sleep", ["ms": "20000", "id": "secret"])
                    try await deployment.eventually(
                        "select count(*)::text from rejoinder.queue where state = 'running'",
                        is: "1"
                    )
                    let listed = try await self.json(database, "events", "--state", "running", "--node", "sleep")
                    let id = try #require(listed[0]?["id"]?.string)
                    #expect(listed[0]?["attempt"]?.int == 1 && listed[0]?["code"] == .null)
                    let event = try await self.json(database, "event", id)
                    #expect(event["state"]?.string == "running" && event["life"] != nil)
                    let shown = try await self.run(database, "event", id)
                    #expect(shown.lines.first?.contains(id) == true)
                    #expect(!shown.lines.joined().contains("secret"))

                    let answered = try await self.json(database, "answer", id, "A colleague will call you.")
                    #expect(answered == ["action": "answer_by_hand", "target": .string(id), "state": "answered"])
                    let reply = try await first
                    #expect(reply.status == 200 && reply.message == "A colleague will call you.")
                    self.refused(try await self.run(database, "answer", id, "x"), "event \(id) is already answered")

                    async let second = deployment.call("sleep", ["ms": "20000"])
                    try await deployment.eventually(
                        "select count(*)::text from rejoinder.queue where state = 'running'",
                        is: "1"
                    )
                    let other = try #require(try await self.json(database, "events", "--limit", "1")[0]?["id"]?.string)
                    self.refused(
                        try await self.run(database, "retry", other),
                        "event \(other) is running: only a failed, expired or cancelled one can be retried"
                    )
                    #expect(try await self.run(database, "cancel", other).lines == ["\(other): cancelled"])
                    #expect(try await second.code == "cancelled")
                    #expect(try await self.json(database, "retry", other, "--time-left", "1s")["state"] == "queued")
                    let unknown = "0190b6a0-0000-7000-8000-000000000000"
                    for command in ["event", "cancel", "retry"] {
                        self.refused(try await self.run(database, command, unknown), "there is no event \(unknown)")
                    }
                    let actions = try await self.json(database, "audit", "--limit", "3")
                    #expect((0..<3).map { actions[$0]?["action"]?.string } == ["retry", "cancel", "answer_by_hand"])
                    #expect(actions[0]?["via"] == "cli" && actions[0]?["actor"]?.string?.contains("@") == true)
                    #expect(actions[0]?["detail"]?["node"] == "sleep")

                    async let third = deployment.call("sleep", ["ms": "20000"])
                    try await deployment.eventually(
                        "select count(*)::text from rejoinder.queue where state = 'running' and time_left > '5 s'",
                        is: "1"
                    )
                    let last = try #require(try await self.json(database, "events", "--limit", "1")[0]?["id"]?.string)
                    let cancelled = try await self.json(database, "cancel", last)
                    #expect(cancelled == ["action": "cancel", "target": .string(last), "state": "cancelled"])
                    #expect(try await third.code == "cancelled")
                }
            }
        }
    }

    @Test("a node is paused, resumed and limited")
    func nodes() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.call("echo", ["id": "1"]).message == "1")
                    #expect(try await self.run(database, "pause", "echo").lines == ["echo: paused"])
                    try await Task.sleep(for: .milliseconds(1100))
                    let refused = try await deployment.call("echo")
                    #expect(refused.status == 503 && refused.code == "paused")
                    #expect(refused.headers["retry-after"] == ["1"])
                    #expect(try await self.json(database, "resume", "echo")["state"] == "resumed")
                    self.refused(try await self.run(database, "resume", "echo"), "node echo is not paused")

                    #expect(try await self.json(database, "pause", "echo", "--wait")["state"] == "paused")
                    async let waiting = deployment.call("echo", ["id": "2"])
                    try await deployment.eventually("select queued::text from rejoinder.nodes where paused", is: "1")
                    let node = try await self.node("echo", database)
                    #expect(node["waits"] == true && node["queued"]?.int == 1 && node["workers"]?.int == 1)
                    #expect(try await self.run(database, "resume", "echo").code == "exited(0)")
                    #expect(try await waiting.message == "2")

                    let limited = try await self.json(database, "limit", "echo", "--running", "2", "--per-second", "5")
                    #expect(limited["state"] == "limited")
                    let limits = try await self.node("echo", database)
                    #expect(limits["max_running"]?.int == 2 && limits["max_per_second"] == .number("5.0"))
                    #expect(try await deployment.call("echo", ["id": "3"]).message == "3")
                    #expect(try await self.run(database, "limit", "echo", "--none").lines == ["echo: unlimited"])
                    #expect(try await self.node("echo", database)["max_running"] == .null)

                    // What a shell is offered in place of the node.
                    let asked = ["---completion", "pause", "--", "positional@0", "2", "0", "rejoinder", "pause", ""]
                    let offered = try await Program.run(
                        "rejoinder",
                        asked,
                        environment: ["DATABASE_URL": database.url]
                    )
                    #expect(offered.lines.contains("echo") && !offered.lines.contains("never"))
                }
            }
        }
    }

    private func node(_ name: String, _ database: TestDatabase) async throws -> JSONValue {
        let nodes = try await self.json(database, "nodes")
        let index = try #require((0..<100).first { nodes[$0]?["node"]?.string == name })
        return try #require(nodes[index])
    }

    @Test("a worker is drained: it exits with code 0; status shows all on one screen, again and again until Ctrl-C")
    func workers() async throws {
        try await TestCluster.withDatabase { database in
            let environment = ["DATABASE_URL": database.url]
            let status = try await Program.with("ScriptedWorker", environment: environment) { worker in
                try await eventually("it is there") { try await self.json(database, "workers")[0] != nil }
                let listed = try await self.json(database, "workers")
                let id = try #require(listed[0]?["id"]?.int)
                #expect(listed[0]?["draining"] == false && listed[0]?["busy"]?.int == 0)
                let screen = try await self.json(database, "status")
                #expect(screen["workers"]?[0]?["id"]?.int == id && screen["overview"] == [] && screen["failures"] == [])
                #expect(screen["incidents"] == [])
                let text = try await self.run(database, "status").lines.joined(separator: "\n")
                for part in [
                    "Nodes", "Workers", "ScriptedWorker", "Incidents of the last hour: none", "Last failures: none",
                ] {
                    #expect(text.contains(part), "\(text)")
                }
                #expect(try await self.json(database, "drain", "\(id)")["state"] == "draining")
                await worker.end()
                self.refused(try await self.run(database, "drain", "\(id)"), "there is no worker \(id)")
            }
            #expect("\(status)" == "exited(0)")

            let watched = try await Program.with("rejoinder", ["status", "--watch"], environment: environment) {
                watch in
                try await eventually("it is drawn again") { watch.lines.count { $0.contains("Workers: none") } > 1 }
                watch.signal(.interrupt)
                await watch.end()
            }
            #expect("\(watched)" == "exited(0)")
            let listed = try await Program.with(
                "rejoinder",
                ["status", "--watch", "--json"],
                environment: environment
            ) { watch in
                try await eventually("there is a line each time") { watch.lines.count > 2 }
                for line in watch.lines { #expect(try JSONValue(parsing: line)["workers"] == [], "\(line)") }
                watch.signal(.interrupt)
                await watch.end()
            }
            #expect("\(listed)" == "exited(0)")
        }
    }

    @Test(
        "what makes no sense is refused with code 64",
        arguments: [
            ["event", "x"], ["cancel"], ["events", "--state", "lost"], ["events", "--since", "1"],
            ["events", "--limit", "0"], ["limit", "a"], ["limit", "a", "--none", "--running", "1"],
            ["limit", "a", "--per-second", "0"], ["drain", "x"], ["answer", "0190b6a0-0000-7000-8000-000000000000"],
        ]
    )
    func usage(_ arguments: [String]) async throws {
        #expect("\(try await Program.run("rejoinder", arguments).status)" == "exited(64)")
    }

    @Test("a database that is away is told by code 69, one without the schema or a login without the role by 78")
    func noDatabase() async throws {
        let away = try await Program.run(
            "rejoinder",
            ["nodes"],
            environment: ["DATABASE_URL": "postgres://127.0.0.1:1/x"]
        )
        #expect("\(away.status)" == "exited(69)" && away.lines.count == 1)
        try await TestCluster.withDatabase(migrated: false) { database in
            let result = try await self.run(database, "events")
            #expect(result.code == "exited(78)" && result.lines.count == 1)
        }
        try await TestCluster.withDatabase { database in
            let reader = try await database.asMember(of: "rejoinder_reader")
            #expect(try await self.run(reader, "nodes").code == "exited(0)")
            #expect(try await self.run(reader, "events").code == "exited(0)")
            let refused = try await self.run(reader, "pause", "a")
            #expect(refused.code == "exited(78)")
            #expect(refused.lines.first?.contains("rejoinder grant LOGIN operator") == true)
        }
    }

    @Test("the shell is offered nodes, workers and ids", arguments: ["bash", "zsh", "fish"])
    func completion(_ shell: String) async throws {
        let script = try await Program.run("rejoinder", ["--generate-completion-script", shell])
        #expect("\(script.status)" == "exited(0)")
        #expect(script.lines.contains { $0.contains("---completion") })
    }

    @Test("bash takes the script, and offers commands by their beginning and the nodes that there are")
    func bash() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query("select rejoinder.pause('order_status')::text, rejoinder.pause('price')::text")
            let program = try Program.path(of: "rejoinder").string
            // As the shell does when Tab is pressed; the words are the arguments, and the last is not complete.
            let offered = """
                script=$(mktemp)
                "$1" --generate-completion-script bash >"$script"
                bash -n "$script" || exit
                source "$script"
                COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMPREPLY=()
                COMP_POINT=${#COMP_LINE}
                $(complete -p rejoinder | sed 's/.* -F \\([^ ]*\\) .*/\\1/') "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                rm "$script"
                compgen -W "${COMPREPLY[*]}"
                """
            for (words, expected) in [
                (["pau"], ["pause"]), (["re"], ["resume", "retry"]), (["resume", "ord"], ["order_status"]),
                (["resume", ""], ["order_status", "price"]),
            ] {
                let result = try await Program.run(
                    "/bin/bash",
                    ["-c", offered, "bash", program] + words,
                    environment: ["DATABASE_URL": database.url]
                )
                #expect("\(result.status)" == "exited(0)", "\(result.lines)")
                #expect(result.lines.sorted() == expected, "\(words)")
            }
        }
    }
}
