import AsyncHTTPClient
import HaptikWebhook
import NIOCore
import NIOHTTP1
import NIOPosix
import Subprocess
import SystemPackage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A real Prometheus, in a folder of its own, and its `promtool`.
enum Prometheus {
    private static func program(_ name: String) throws -> FilePath {
        let folders = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
        if let folder = folders.first(where: { access("\($0)/\(name)", X_OK) == 0 }) {
            return FilePath("\(folder)/\(name)")
        }
        guard getenv("CI") == nil else { throw TestTimeout("there is no \(name): Scripts/install-dependencies") }
        try Test.cancel("there is no \(name)")
    }

    /// What `promtool check metrics` has against a text; empty when it is fine.
    static func complaints(about text: String) async throws -> String {
        let result = try await Subprocess.run(
            .path(self.program("promtool")),
            arguments: ["check", "metrics"],
            input: .string(text),
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        let said = result.standardOutput + result.standardError
        return result.terminationStatus.isSuccess ? said : "\(result.terminationStatus): \(said)"
    }

    /// Runs `body` with a Prometheus that scrapes these ports every second.
    static func scraping(_ ports: [Int], _ body: (Server) async throws -> Void) async throws {
        let program = try self.program("prometheus")
        let folder = "/tmp/rejoinder-prometheus-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let targets = ports.map { "'127.0.0.1:\($0)'" }.joined(separator: ", ")
        let settings = """
            global: {scrape_interval: 1s}
            scrape_configs:
              - job_name: rejoinder
                static_configs: [{targets: [\(targets)]}]
            """
        try Data(settings.utf8).write(to: URL(filePath: folder + "/prometheus.yml"))
        let port = try await self.freePort()
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
        _ = try await Subprocess.run(
            .path(program),
            arguments: [
                "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data",
                "--web.listen-address=127.0.0.1:\(port)", "--log.level=warn",
            ],
            platformOptions: options,
            input: .none,
            output: .discarded,
            error: .discarded
        ) { execution in
            defer { kill(execution.processIdentifier.value, SIGTERM) }
            try await body(Server(port: port))
        }
    }

    private static func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port
        try await channel.close()
        return try #require(port)
    }

    struct Server: Sendable {
        let port: Int

        /// The values of an instant query, which needs no escaping; nil while it can't be asked.
        func values(of query: String) async throws -> [Double]? {
            let request = HTTPClientRequest(url: "http://127.0.0.1:\(self.port)/api/v1/query?query=\(query)")
            guard let response = try? await HTTPClient.shared.execute(request, timeout: .seconds(5)) else { return nil }
            guard response.status == .ok else { return nil }
            let body = try await response.body.collect(upTo: 1 << 20)
            guard case .array(let results)? = try JSONValue(parsing: String(buffer: body))["data"]?["result"] else {
                return nil
            }
            return results.compactMap { $0["value"]?[1]?.string.flatMap { Double($0) } }
        }
    }
}
