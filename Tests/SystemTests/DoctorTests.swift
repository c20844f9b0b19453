import HaptikWebhook
import LocalPostgres
import Subprocess
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// `rejoinder doctor`, and what it says of itself when ingress and worker start.
@Suite("doctor", .serialized)
struct DoctorTests {
    /// What this machine happens to use and allow is left out of it.
    private static let anywhere = ["--http-port", "0", "--admin-port", "0", "--limit-connections", "10"]

    @Test("the exit code is 0 when all is fine, 1 with warnings, 2 when something is broken, and the remedy mends it")
    func exitCodes() async throws {
        try await TestCluster.withCluster(settings: [:]) { _, database in
            let environment = ["DATABASE_URL": database.url]
            let fine = try await Program.run("rejoinder", ["doctor", "--quick"], environment: environment)
            #expect("\(fine.status)" == "exited(0)", "\(fine.lines)")
            #expect(fine.lines.last?.hasSuffix("0 warning, 0 broken") == true)

            let warned = try await Program.run("rejoinder", ["doctor"] + Self.anywhere, environment: environment)
            #expect("\(warned.status)" == "exited(1)", "\(warned.lines)")
            #expect(warned.lines.contains { $0.hasPrefix("warning  workers ") && $0.hasSuffix("no worker lives") })

            let stranger = environment.merging(["REJOINDER_OPERATOR_DATABASE_URL": "\(database.url)&user=nobody"]) {
                $1
            }
            let lost = try await Program.run("rejoinder", ["doctor"] + Self.anywhere, environment: stranger)
            #expect("\(lost.status)" == "exited(2)", "\(lost.lines)")
            #expect(lost.lines.contains { $0.hasPrefix("broken   operator's login") && $0.contains("nobody") })

            for variable in ["REJOINDER_OPERATOR_DATABASE_URL", "REJOINDER_LISTEN_URL"] {
                let unreadable = environment.merging([variable: "host=h password=my hunter2"]) { $1 }
                let told = try await Program.run("rejoinder", ["doctor"] + Self.anywhere, environment: unreadable)
                #expect("\(told.status)" == "exited(2)", "\(told.lines)")
                #expect(!told.lines.contains { $0.contains("hunter2") }, "\(told.lines)")
            }

            let socket = try #require(database.url.firstRange(of: "host=")).upperBound
            let folder = String(database.url[socket...].prefix { $0 != "&" }.replacing("%2F", with: "/"))
            let several = ["DATABASE_URL": "", "PGHOST": "db.invalid,\(folder)", "PGUSER": "postgres"].merging(
                ["PGPORT": "5432,\(database.url.split(separator: "port=").last ?? "")"]
            ) { $1 }
            let listed = try await Program.run("rejoinder", ["doctor", "--quick"], environment: several)
            #expect("\(listed.status)" == "exited(1)", "\(listed.lines)")
            #expect(listed.lines.first?.hasPrefix("warning  hosts") == true)
            #expect(listed.lines.first?.contains("db.invalid:5432 can't be reached") == true)

            let readOnly = environment.merging(["PGOPTIONS": "-c default_transaction_read_only=on"]) { $1 }
            let refused = try await Program.run("rejoinder", ["doctor", "--quick"], environment: readOnly)
            #expect("\(refused.status)" == "exited(2)", "\(refused.lines)")
            #expect(refused.lines.contains { $0.hasPrefix("broken   hosts") && $0.hasSuffix("session is read-only") })

            try await database.query("drop index rejoinder.live_queue")
            let broken = try await Program.run("rejoinder", ["doctor", "--quick", "--json"], environment: environment)
            #expect("\(broken.status)" == "exited(2)", "\(broken.lines)")
            let json = try JSONValue(parsing: try #require(broken.lines.first))
            #expect(json["verdict"]?.string == "broken")
            let found = json["findings"]?.array?.filter { $0["verdict"]?.string == "broken" } ?? []
            #expect(found.map { $0["summary"]?.string } == ["index rejoinder.live_queue is missing"])
            #expect(found.first?["check"]?.string == "drift")
        }
    }

    @Test("ingress and worker say when they start what isn't as it should be, and start all the same")
    func start() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query("drop index rejoinder.live_queue")
            try await Deployment.with(database) { deployment in
                let line = try await deployment.ingress.line(containing: "index rejoinder.live_queue is missing")
                #expect(line.contains(" warning ") && line.contains("check=drift") && line.contains("verdict=broken"))
                try await deployment.withWorker { worker in
                    _ = try await worker.line(containing: "index rejoinder.live_queue is missing")
                    #expect(try await deployment.call("echo", ["id": "1"]).status == 200)
                }
            }
        }
    }

    @Test("secrets that can be guessed or read are found, and never said")
    func secrets() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = "\(folder)/orders.secret"
        try Data("Wf8vQ2mX0pLr7sTz\n".utf8).write(to: URL(filePath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        let configuration = "\(folder)/rejoinder.json"
        let text = """
            {"endpoints": [
              {"path": "/orders", "secret_files": ["\(file)"]}, {"path": "/short", "secrets": ["k9Xq2Lw8"]}
            ]}
            """
        try Data(text.utf8).write(to: URL(filePath: configuration))
        let result = try await Self.doctor(
            ["--config", configuration],
            ["REJOINDER_SECRET": "ChangeMe-1,aaaaaaaaaaaaaaaaaaab"]
        )
        #expect("\(result.status)" == "exited(2)")
        for expected in [
            "the secret of /webhook, number 1 is one that everybody tries first",
            "the secret of /webhook, number 2 has few different characters",
            "the secret of /short has fewer than 16 characters", "everybody on this host can read \(file)",
        ] {
            #expect(result.lines.contains { $0.contains(expected) }, "\(expected): \(result.lines)")
        }
        for secret in ["ChangeMe", "aaaaaaaa", "k9Xq2Lw8", "Wf8vQ2mX0pLr7sTz"] {
            #expect(!result.lines.contains { $0.contains(secret) })
        }
        let unsigned = #"{"endpoints": [{"path": "/internal", "unsigned": true}]}"#
        try Data(unsigned.utf8).write(to: URL(filePath: configuration))
        let open = try await Self.doctor(["--config", configuration], [:])
        #expect(open.lines.contains { $0.hasPrefix("warning  secrets ") && $0.contains("unsigned") }, "\(open.lines)")
        let good = try await Self.doctor([], ["REJOINDER_SECRET": "5f0c2ad3b18e4f6791d2c7a0b4e83f15"])
        #expect(good.lines.contains { $0.hasPrefix("ok       secrets ") }, "\(good.lines)")
    }

    @Test("of a file with a secret or a token that is a link, the mode of what it leads to counts")
    func linkedFiles() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (file, link) = ("\(folder)/secret", "\(folder)/link")
        try Data("Wf8vQ2mX0pLr7sTz\n".utf8).write(to: URL(filePath: file))
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
        for variable in ["REJOINDER_SECRET_FILE", "REJOINDER_OPERATOR_TOKEN_FILE"] {
            for mode in [0o400, 0o644] {
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
                let result = try await Self.doctor([], [variable: link])
                let isTold = result.lines.contains { $0.hasSuffix("everybody on this host can read \(link)") }
                #expect(isTold == (mode == 0o644), "\(result.lines)")
            }
        }
    }

    @Test("a certificate that has expired, is of another key, or that callers won't trust is found")
    func certificates() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func pem(_ name: String) -> String { "\(folder)/\(name).pem" }
        try await Self.makeAuthority(in: folder)
        for (name, days) in [("expired", "-1"), ("soon", "10"), ("fine", "90")] {
            try await Self.issue(name, days: days, in: folder)
        }
        try Data(
            (try String(contentsOfFile: pem("fine"), encoding: .utf8)
                + (try String(contentsOfFile: pem("authority"), encoding: .utf8))).utf8
        )
        .write(to: URL(filePath: pem("chain")))
        let cases = [
            ("expired", "key", "the certificate has expired"),
            ("soon", "key", "the certificate expires in 9 days"),
            ("fine", "key", "the file holds no certificate of the issuer"),
            ("fine", "authority-key", "is not the certificate's key"),
            ("authority", "authority-key", "it is self-signed"),
            ("chain", "key", "for bot.example.com, 89 days left"),
            ("key", "key", "can't be read"),
        ]
        for (certificate, key, expected) in cases {
            let arguments = ["--tls-certificate", pem(certificate), "--tls-key", pem(key)]
            let result = try await Self.doctor(arguments)
            let lines = result.lines.filter { $0.contains(" certificate ") }
            #expect(lines.contains { $0.contains(expected) }, "\(certificate): \(result.lines)")
        }
    }

    @Test("a port that another program has is broken, one that an ingress has is fine where it has both")
    func ports() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let (port, adminPort) = ("\(deployment.port)", "\(deployment.adminPort)")
                let own = try await Self.doctor(["--http-port", port, "--admin-port", adminPort])
                #expect(own.lines.contains { $0.hasPrefix("ok       ports ") }, "\(own.lines)")
                for (arguments, taken) in [(["--http-port", port], port), (["--admin-port", adminPort], adminPort)] {
                    let half = try await Self.doctor(arguments)
                    let reason = "port 127.0.0.1:\(taken) is in use, and not by an ingress that has both"
                    #expect(half.lines.contains { $0.hasSuffix(reason) }, "\(half.lines)")
                }
                let arguments = ["--admin-port", "0"]
                let environment = ["DATABASE_URL": database.url]
                try await Program.with("ScriptedWorker", arguments, environment: environment) { worker in
                    let workerPort = try await worker.adminPort()
                    let other = try await Self.doctor(["--http-port", port, "--admin-port", "\(workerPort)"])
                    #expect(other.lines.count { $0.hasSuffix("is in use, and not by an ingress that has both") } == 2)
                }
                let elsewhere = try await Self.doctor(["--http-host", "192.0.2.1", "--http-port", port])
                #expect(elsewhere.lines.contains { $0.hasSuffix("nobody can listen on 192.0.2.1:\(port) here") })
            }
        }
    }

    @Test("one port for calls and for what is private is refused, by the ingress and the doctor")
    func onePort() async throws {
        let reason = "http.port and admin.port are both 8080 on 127.0.0.1, expected two different ports"
        let secret = ["REJOINDER_SECRET": "5f0c2ad3b18e4f6791d2c7a0b4e83f15"]
        let arguments = ["--http-port", "8080", "--admin-port", "8080"]
        let refused = try await Program.run("rejoinder", ["ingress"] + arguments, environment: secret)
        #expect("\(refused.status)" == "exited(78)")
        #expect(refused.lines == ["rejoinder: \(reason)"])
        for environment in [secret, [:]] {
            let told = try await Self.doctor(arguments, environment)
            #expect(told.lines.contains { $0.hasPrefix("broken   configuration ") && $0.hasSuffix(reason) })
        }
    }

    @Test("a malformed setting, and a limit of open files that is too low, are found")
    func settings() async throws {
        let secret = ["REJOINDER_SECRET": "5f0c2ad3b18e4f6791d2c7a0b4e83f15"]
        let malformed = try await Self.doctor(["--deadline", "soon"], secret)
        #expect(malformed.lines.contains { $0.hasPrefix("broken   configuration ") && $0.contains("--deadline is") })
        let files = try await Self.doctor(["--limit-connections", "1000000"])
        #expect(files.lines.contains { $0.contains("too few for limit.connections (1000000)") }, "\(files.lines)")
    }

    /// Without a database, which is of no matter here.
    private static func doctor(
        _ arguments: [String],
        _ environment: [String: String] = [:]
    ) async throws -> (status: TerminationStatus, lines: [String]) {
        let nowhere = ["DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"]
        return try await Program.run(
            "rejoinder",
            ["doctor"] + (arguments.contains("--http-port") ? [] : ["--http-port", "0"])
                + (arguments.contains("--admin-port") ? [] : ["--admin-port", "0"]) + arguments,
            environment: nowhere.merging(environment) { $1 }
        )
    }

    private static func folder() throws -> String {
        let folder = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    private static func makeAuthority(in folder: String) async throws {
        try await self.openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "400",
            "-subj",
            "/CN=Authority", "-keyout", "\(folder)/authority-key.pem", "-out", "\(folder)/authority.pem",
        ])
        try await self.openssl([
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            "/CN=bot.example.com", "-keyout", "\(folder)/key.pem", "-out", "\(folder)/request.pem",
        ])
        try Data("subjectAltName=DNS:bot.example.com\n".utf8).write(to: URL(filePath: "\(folder)/extensions"))
    }

    private static func issue(_ name: String, days: String, in folder: String) async throws {
        try await self.openssl([
            "x509", "-req", "-in", "\(folder)/request.pem", "-CA", "\(folder)/authority.pem", "-CAkey",
            "\(folder)/authority-key.pem", "-set_serial", "\(UInt32.random(in: 1...UInt32.max))", "-days", days,
            "-extfile",
            "\(folder)/extensions", "-out", "\(folder)/\(name).pem",
        ])
    }

    private static func openssl(_ arguments: [String]) async throws {
        let result = try await Subprocess.run(
            .name("openssl"),
            arguments: Arguments(arguments),
            output: .discarded,
            error: .discarded
        )
        try #require(result.terminationStatus.isSuccess)
    }
}
