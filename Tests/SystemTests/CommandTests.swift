import HaptikWebhook
import NIOHTTP1
import Settings
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The command line: what it refuses, and how it says so.
@Suite("commands and settings", .serialized)
struct CommandTests {
    @Test(
        "a malformed setting ends the start with one line and exit code 78",
        arguments: [
            (
                ["--http-port", "abc"], [:],
                #"rejoinder: --http-port is "abc", expected a whole number from 0 to 65535"#
            ),
            (
                [], ["REJOINDER_HTTP_PORT": "70000"],
                #"rejoinder: REJOINDER_HTTP_PORT is "70000", expected a whole number from 0 to 65535"#
            ),
            ([], ["REJOINDER_DEADLINE": "29"], #"rejoinder: REJOINDER_DEADLINE is "29", expected a time such as"#),
            ([], ["REJOINDER_LOG_LEVEL": "loud"], #"rejoinder: REJOINDER_LOG_LEVEL is "loud", expected trace"#),
            ([], ["REJOINDER_SECRET": ""], "rejoinder: REJOINDER_SECRET is malformed or empty, expected one secret"),
            (
                [], ["REJOINDER_SECRET": "a,,b"],
                "rejoinder: REJOINDER_SECRET is malformed or empty, expected one secret"
            ),
            (["--tls-key", "/nowhere"], [:], "rejoinder: REJOINDER_TLS_CERTIFICATE is not set"),
            (["--config", "/nowhere"], [:], "rejoinder: the configuration file /nowhere can't be read"),
            (
                [], ["DATABASE_URL": "postgres://u@h/d?sslmod=require"],
                #"rejoinder: DATABASE_URL can't be read: invalid URI query parameter: "sslmod", expected one such as"#
            ),
            (
                [], ["REJOINDER_LISTEN_URL": "mysql://x/y"],
                "rejoinder: REJOINDER_LISTEN_URL can't be read: missing"
            ),
            (
                [],
                ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS": "abc"],
                "rejoinder: OTEL_EXPORTER_OTLP_HEADERS is malformed, expected NAME=VALUE"
            ),
        ] as [([String], [String: String], String)]
    )
    func malformedSettings(_ arguments: [String], _ environment: [String: String], _ line: String) async throws {
        let result = try await Program.run(
            "rejoinder",
            ["ingress"] + arguments,
            environment: ["REJOINDER_SECRET": "test"].merging(environment) { $1 }
        )
        #expect("\(result.status)" == "exited(78)")
        #expect(result.lines.count == 1)
        #expect(result.lines.first?.hasPrefix(line) == true, "\(result.lines)")
    }

    @Test(
        "a connection string that can't be read ends workers and commands too, with one line that doesn't show it",
        arguments: [
            ("ScriptedWorker", []), ("rejoinder", ["migrate"]), ("rejoinder", ["status"]),
            ("rejoinder", ["grant", "somebody", "worker"]), ("rejoinder", ["pause", "price"]),
        ] as [(String, [String])]
    )
    func unreadableURL(_ program: String, _ arguments: [String]) async throws {
        for variable in ["DATABASE_URL", "REJOINDER_LISTEN_URL"] {
            let result = try await Program.run(program, arguments, environment: [variable: "mysql://u:hush@x/y"])
            #expect("\(result.status)" == "exited(78)")
            #expect(result.lines.count == 1)
            #expect(result.lines.first?.hasPrefix("\(program): \(variable) can't be read: ") == true, "\(result.lines)")
            #expect(!result.lines.joined().contains("hush"))
        }
    }

    @Test("the doctor has an unreadable connection string as a finding, not as its end")
    func unreadableURLFinding() async throws {
        let result = try await Program.run(
            "rejoinder",
            ["doctor", "--quick"],
            environment: ["DATABASE_URL": "postgres://u:hush@x/y?sslmod=require"]
        )
        #expect("\(result.status)" == "exited(2)")
        #expect(result.lines.first?.contains("DATABASE_URL can't be read: ") == true, "\(result.lines)")
        #expect(!result.lines.joined().contains("hush"))
    }

    @Test("a worker warns of a variable that nothing reads, and of none that an ingress beside it reads")
    func unknownVariables() async throws {
        let help = try await Program.run("rejoinder", ["ingress", "--help"])
        let options = help.lines.filter { $0.hasPrefix("  --") }.map { line in
            String(line.dropFirst(4).prefix { $0 == "-" || $0.isLetter })
        }
        let variables = options.filter { $0 != "version" }.map {
            "REJOINDER_" + $0.uppercased().replacing("-", with: "_")
        }
        #expect(variables.contains("REJOINDER_HTTP_PORT") && variables.contains("REJOINDER_TLS_CERTIFICATE"))
        let environment = Dictionary(variables.map { ($0, "1") }) { first, _ in first }
        #expect(CommonSettings.unknownVariables(in: environment) == [])

        try await TestCluster.withDatabase { database in
            let environment = ["DATABASE_URL": database.url, "REJOINDER_SLOT": "5", "REJOINDER_HTTP_PORT": "8080"]
            try await Program.with("ScriptedWorker", environment: environment) { worker in
                let line = try await worker.line(containing: "is it mistyped?")
                #expect(line.contains(" warning ") && line.contains("variable=REJOINDER_SLOT"), "\(line)")
                #expect(!worker.lines.contains { $0.contains("REJOINDER_HTTP_PORT") })
            }
        }
    }

    @Test("an address that is not this machine's ends an ingress and a worker, and they say which setting it was")
    func strangeAddress() async throws {
        try await TestCluster.withDatabase { database in
            for (program, arguments, setting) in [
                ("rejoinder", ["ingress", "--http-port", "0", "--admin-port", "0"], "http-host"),
                ("rejoinder", ["ingress", "--http-port", "0", "--admin-port", "0"], "admin-host"),
                ("ScriptedWorker", ["--admin-port", "0"], "admin-host"),
            ] {
                for host in ["192.0.2.1", "nowhere.invalid"] {
                    let result = try await Program.run(
                        program,
                        arguments + ["--\(setting)", host],
                        environment: ["REJOINDER_SECRET": "test", "DATABASE_URL": database.url]
                    )
                    #expect("\(result.status)" == "exited(1)")
                    let variable = "REJOINDER_\(setting.uppercased().replacing("-", with: "_"))"
                    let why = "\(host) is no address of this machine, choose another: --\(setting) or \(variable)"
                    #expect(result.lines.contains("\(program): \(why)"), "\(result.lines)")
                }
            }
        }
    }

    @Test("where nobody listens, send and health say so at once")
    func nobodyListens() async throws {
        let path = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max)).json"
        try Data("{}".utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let began = ContinuousClock.now
        let url = "http://127.0.0.1:1/webhook"
        let sent = try await Program.run(
            "rejoinder",
            ["send", "--url", url, "--body", path],
            environment: ["REJOINDER_SECRET": "test"]
        )
        #expect("\(sent.status)" == "exited(1)")
        #expect(sent.lines == ["rejoinder: no reply from \(url): connection refused"])
        let health = try await Program.run("rejoinder", ["health", "--url", url])
        #expect("\(health.status)" == "exited(1)")
        #expect(health.lines == ["rejoinder: \(url) can't be reached: connection refused"])
        // Each would go on trying for as long as a reply may take, 60 s and 3 s.
        #expect(ContinuousClock.now - began < .seconds(20))
    }

    @Test("a missing secret, and a database without the schema, are said in one line")
    func missingThings() async throws {
        let secret = try await Program.run("rejoinder", ["ingress"])
        #expect("\(secret.status)" == "exited(78)")
        #expect(secret.lines.first?.hasPrefix("rejoinder: REJOINDER_SECRET is not set") == true)
        try await TestCluster.withDatabase(migrated: false) { database in
            let environment = ["DATABASE_URL": database.url, "REJOINDER_SECRET": "test"]
            for (program, arguments) in [("rejoinder", ["ingress"]), ("ScriptedWorker", [])] {
                let result = try await Program.run(program, arguments, environment: environment)
                #expect("\(result.status)" == "exited(78)")
                #expect(result.lines.count == 1)
                #expect(result.lines.first?.contains("run `rejoinder migrate`") == true)
            }
            let first = try await Program.run("rejoinder", ["migrate"], environment: environment)
            #expect(first.lines.first == "applied migration 1: tables")
            let second = try await Program.run("rejoinder", ["migrate"], environment: environment)
            #expect(second.lines == ["the schema is up to date"])
        }
    }

    @Test("a configuration file adds endpoints with their own secret, algorithm, deadline and fallback")
    func configurationFile() async throws {
        let path = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max)).json"
        let text = """
            {"deadline": "20s", "limit": {"fields": 90}, "endpoints": [
              {"path": "/orders", "secret_variables": ["ORDERS_SECRET"], "algorithm": "sha256"},
              {"path": "/open", "unsigned": true, "deadline": "300ms", "fallback": "Please ask again."}]}
            """
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await TestCluster.withDatabase { database in
            let environment = ["ORDERS_SECRET": "orders"]
            try await Deployment.with(database, ["--config", path], environment: environment) { deployment in
                try await deployment.withWorker { _ in
                    let body = Deployment.body("echo", ["id": "9"])
                    let signature = SignatureVerifier.header(for: body, secret: "orders", algorithm: .sha256)
                    let order = try await deployment.post(body, signature: signature, path: "/orders")
                    #expect(order.message == "9")
                    #expect(try await deployment.post(body, path: "/orders").status == 401)
                    #expect(try await deployment.post(body).status == 200)

                    let late = try await deployment.call("sleep", ["ms": "20000"], path: "/open")
                    #expect(late.status == 200)
                    #expect(late.body == #"{"status":false,"response":["Please ask again."]}"#)
                    #expect(late.headers["rejoinder-problem"] == ["no_reply"])
                }
            }
        }
    }

    @Test(
        "a file that contradicts itself, or has a group that is none, ends the start",
        arguments: [
            (#"{"http": {"port": 8081}, "http.port": 8082}"#, "http.port in", "is there twice"),
            (#"{"htp": {}}"#, "htp in", "is not a setting"),
            (#"{"http": {"prot": {}}}"#, "http.prot in", "is not a setting"),
            (#"{"deadlin": null}"#, "deadlin in", "is not a setting"),
        ]
    )
    func contradictions(_ text: String, _ key: String, _ reason: String) async throws {
        let path = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max)).json"
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let result = try await Program.run(
            "rejoinder",
            ["ingress", "--config", path],
            environment: ["REJOINDER_SECRET": "test"]
        )
        #expect("\(result.status)" == "exited(78)")
        #expect(result.lines.count == 1)
        let line = try #require(result.lines.first)
        #expect(line.contains(key) && line.contains(reason))
    }

    @Test("send prints the status, the reply and the time; status shows node, worker and failures")
    func sendAndStatus() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker("product-price-worker") { _ in
                    let path = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max)).json"
                    defer { try? FileManager.default.removeItem(atPath: path) }
                    for (product, status) in [("speaker", "200 OK"), ("headphones", "400 Bad Request")] {
                        try Data(Deployment.body("price", ["product_name": product])).write(to: URL(filePath: path))
                        let sent = try await Program.run(
                            "rejoinder",
                            ["send", "--url", "http://127.0.0.1:\(deployment.port)/webhook", "--body", path],
                            environment: ["REJOINDER_SECRET": Deployment.secret]
                        )
                        #expect(sent.lines.first == status)
                        #expect(sent.lines.last?.hasSuffix(" ms") == true)
                        #expect("\(sent.status)" == (product == "speaker" ? "exited(0)" : "exited(1)"))
                    }
                    let shown = try await Program.run(
                        "rejoinder",
                        ["status"],
                        environment: ["DATABASE_URL": database.url]
                    )
                    let screen = shown.lines.joined(separator: "\n")
                    for text in ["price", "product-price-worker", "refused", "no such product"] {
                        #expect(screen.contains(text), "\(screen)")
                    }
                }
            }
        }
    }
}
