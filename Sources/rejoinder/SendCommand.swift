import ArgumentParser
import AsyncHTTPClient
import HaptikWebhook
import NIOCore
import NIOHTTP1
import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct SendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Sign a call and send it, as Haptik would; print the status, the reply and the time it took.",
        discussion: "The secret is REJOINDER_SECRET, the first where there are several. Exit code 0 for a 200, else 1."
    )

    @Option(help: "The endpoint.")
    var url = "http://127.0.0.1:8080/webhook"

    @Option(help: ArgumentHelp("A file with the body; - is standard input.", valueName: "file|-"))
    var body: String

    @Option(help: "sha1, sha256, sha384 or sha512, as the endpoint is configured.")
    var algorithm: String = SignatureAlgorithm.sha1.rawValue

    func run() async throws {
        try await reportingFailures {
            let secrets = try IngressSettings.secrets(SettingsReader(environment: ProcessInfo.processInfo.environment))
            guard let secret = secrets.first else {
                throw SettingError("REJOINDER_SECRET is not set, expected the endpoint's secret")
            }
            guard let algorithm = SignatureAlgorithm(rawValue: self.algorithm) else {
                throw SettingError("--algorithm is \"\(self.algorithm)\", expected sha1, sha256, sha384 or sha512")
            }
            let body = try self.read()
            var request = HTTPClientRequest(url: self.url)
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json")
            request.headers.add(
                name: "X-Hub-Signature",
                value: SignatureVerifier.header(for: body, secret: secret, algorithm: algorithm)
            )
            request.body = .bytes(ByteBuffer(bytes: body))
            try await self.send(request)
        }
    }

    private func read() throws -> [UInt8] {
        do {
            if self.body == "-" { return Array(try FileContents.standardInput()) }
            return Array(try FileContents.file(self.body))
        } catch {
            throw SettingError("--body \(self.body) can't be read: \(error)")
        }
    }

    private func send(_ request: HTTPClientRequest) async throws {
        let start = ContinuousClock.now
        let response: HTTPClientResponse
        let reply: ByteBuffer
        do {
            // Longer than Haptik waits, so that one sees what comes too late.
            response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
            reply = try await response.body.collect(upTo: 16 << 20)
        } catch {
            StandardError.print("rejoinder: no reply from \(self.url): \(error)")
            throw ExitCode(1)
        }
        let took = (ContinuousClock.now - start) / .milliseconds(1)
        print("\(response.status.code) \(response.status.reasonPhrase)")
        print(String(buffer: reply))
        print("\((took * 10).rounded() / 10) ms")
        if response.status.code != 200 { throw ExitCode(1) }
    }
}
