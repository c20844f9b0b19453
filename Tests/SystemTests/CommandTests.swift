import HaptikWebhook
import NIOHTTP1
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
