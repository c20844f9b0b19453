import HaptikWebhook
import NIOCore
import NIOPosix
import Stage
import Subprocess
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// SIGHUP: endpoints and secrets change while calls come in.
@Suite("reloading the configuration", .serialized)
struct ReloadTests {
    /// A configuration file in a place of its own.
    private struct File {
        let path = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max)).json"

        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: self.path), options: .atomic) }

        func remove() { try? FileManager.default.removeItem(atPath: self.path) }
    }

    @Test("one that comes while the ingress waits for its database at the start does not end it")
    func early() async throws {
        let connected = Mailbox<Void>()
        let mute = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                connected.send(())
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let port = try #require(mute.localAddress?.port)
        let environment = ["DATABASE_URL": "postgres://u@127.0.0.1:\(port)/d", "REJOINDER_SECRET": "test"]
        let arguments = ["ingress", "--http-port", "0", "--admin-port", "0"]
        let status = try await Program.with("rejoinder", arguments, environment: environment) { ingress in
            try await connected.next()
            ingress.signal(.terminalClosed)
            try await ingress.line(containing: "starting without the database")
            try await ingress.line(containing: "read the configuration again")
        }
        #expect("\(status)" == "exited(0)")
        try await mute.close()
    }

    @Test("endpoints and secrets are replaced, what can't be is named, and what is malformed changes nothing")
    func reload() async throws {
        let file = File()
        defer { file.remove() }
        try file.write(#"{"limit": {"fields": 90}, "endpoints": [{"path": "/a", "secrets": ["old"]}]}"#)
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--config", file.path]) { deployment in
                try await deployment.withWorker { _ in
                    let ingress = deployment.ingress
                    #expect(try await deployment.signed("old", "/a").status == 200)

                    let next =
                        #"{"path": "/a", "secrets": ["old", "new"]}, {"path": "/b", "secrets": ["b"], "deadline": "300ms"}"#
                    try file.write(#"{"limit": {"fields": 80}, "endpoints": [\#(next)]}"#)
                    ingress.signal(.terminalClosed)
                    try await ingress.line(containing: "settings=limit.fields")
                    for (secret, path) in [("old", "/a"), ("new", "/a"), ("b", "/b")] {
                        #expect(try await deployment.signed(secret, path).status == 200, "\(secret)")
                    }
                    #expect(try await deployment.call("sleep", ["ms": "5000"], path: "/b").status == 401)

                    for (text, complaint) in [
                        ("{", "is not valid JSON"),
                        (#"{"endpoints": [{"path": "/a"}]}"#, "endpoints[0] in \(file.path) has no secret"),
                        (#"{"limit": {"body": "9"}, "other": 1}"#, "other in \(file.path) is not a setting"),
                    ] {
                        try file.write(text)
                        ingress.signal(.terminalClosed)
                        let line = try await ingress.line(containing: complaint)
                        #expect(line.contains("keeping the one in use"))
                        #expect(try await deployment.signed("new", "/a").status == 200)
                    }
                    let scrape = try await Scrape(port: deployment.adminPort)
                    #expect(scrape["rejoinder_reload_failures_total"] == 3)

                    try file.write(#"{"endpoints": [{"path": "/c", "secrets": ["c"]}]}"#)
                    ingress.signal(.terminalClosed)
                    try await ingress.line(containing: "endpoints=/c /webhook")
                    #expect(try await deployment.signed("c", "/c").status == 200)
                    #expect(try await deployment.signed("new", "/a").status == 404)
                }
            }
        }
    }

    @Test("files of secrets are read again; where one is missing, all stays as it was")
    func secretFiles() async throws {
        let (file, secret) = (File(), File())
        defer {
            file.remove()
            secret.remove()
        }
        try secret.write("old\n")
        try file.write(#"{"endpoints": [{"path": "/a", "secret_files": ["\#(secret.path)"]}]}"#)
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--config", file.path]) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.signed("old", "/a").status == 200)
                    try secret.write("new\n")
                    #expect(try await deployment.signed("new", "/a").status == 401)
                    deployment.ingress.signal(.terminalClosed)
                    try await deployment.ingress.line(containing: "read the configuration again")
                    #expect(try await deployment.signed("new", "/a").status == 200)
                    #expect(try await deployment.signed("old", "/a").status == 401)

                    secret.remove()
                    deployment.ingress.signal(.terminalClosed)
                    let line = try await deployment.ingress.line(containing: "keeping the one in use")
                    #expect(line.contains(secret.path))
                    #expect(try await deployment.signed("new", "/a").status == 200)
                }
            }
        }
    }

    @Test("a secret is replaced by way of two without a lost call")
    func rotation() async throws {
        let file = File()
        defer { file.remove() }
        func write(_ secrets: String) throws {
            try file.write(#"{"endpoints": [{"path": "/a", "secrets": [\#(secrets)]}]}"#)
        }
        try write(#""old""#)
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--config", file.path]) { deployment in
                try await deployment.withWorker { _ in
                    // A call that waits while both changes happen, and others all along.
                    async let slow = deployment.signed("old", "/a", ["id": "1", "ms": "1500"])
                    try await deployment.eventually("select count(*)::text from rejoinder.queue", is: "1")
                    var statuses: [UInt] = []
                    for (secrets, ours) in [(#""old", "new""#, "old"), (#""new""#, "new")] {
                        try write(secrets)
                        deployment.ingress.signal(.terminalClosed)
                        // Calls all along, until the other secret is taken, or no longer.
                        let (other, expected) = ours == "old" ? ("new", 200 as UInt) : ("old", 401)
                        try await eventually("\(other) gets \(expected)") {
                            statuses.append(try await deployment.signed(ours, "/a").status)
                            return try await deployment.signed(other, "/a").status == expected
                        }
                        statuses.append(try await deployment.signed(ours, "/a").status)
                    }
                    #expect(Set(statuses) == [200])
                    #expect(try await slow.status == 200)
                }
            }
        }
    }
}

extension Deployment {
    fileprivate func signed(
        _ secret: String,
        _ path: String,
        _ entities: [String: String] = ["id": "1"]
    ) async throws -> Answer {
        let body = Self.body("echo", entities)
        return try await self.post(body, signature: SignatureVerifier.header(for: body, secret: secret), path: path)
    }
}
