import ArgumentParser
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Settings

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask an ingress whether it is ready: exit code 0 or 1. For containers without curl."
    )

    @Option(help: "The health address on the admin port.")
    var url = "http://127.0.0.1:9090/health/ready"

    func run() async throws {
        do {
            let response = try await HTTPClient.once.execute(HTTPClientRequest(url: self.url), timeout: .seconds(3))
            let body = try await response.body.collect(upTo: 1 << 16)
            print(String(buffer: body), terminator: "")
            if response.status.code == 200 { return }
        } catch {
            StandardError.print("rejoinder: \(self.url) can't be reached: \(HTTPClient.reason(of: error))")
        }
        throw ExitCode(1)
    }
}
