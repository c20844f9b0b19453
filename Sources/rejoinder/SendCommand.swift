import ArgumentParser
import AsyncHTTPClient
import HaptikWebhook
import NIOCore
import NIOHTTP1
import Settings

struct SendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Sign a call and send it, as Haptik would; print the status, the reply and the time it took.",
        discussion: "The secret is REJOINDER_SECRET, the first where there are several. Exit code 0 for a 200, else 1."
    )

    @Option(help: "The endpoint.")
    var url = "http://127.0.0.1:8080/webhook"

    @OptionGroup var call: CallOptions

    func run() async throws {
        try await reportingFailures {
            let signer = try self.call.signer()
            let body = try self.call.bytes()
            var request = HTTPClientRequest(url: self.url)
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json")
            request.headers.add(name: "X-Hub-Signature", value: signer.header(for: body))
            request.body = .bytes(ByteBuffer(bytes: body))
            try await self.send(request)
        }
    }

    private func send(_ request: HTTPClientRequest) async throws {
        let start = ContinuousClock.now
        let response: HTTPClientResponse
        let reply: ByteBuffer
        do {
            // Longer than Haptik waits, so that one sees what comes too late.
            response = try await HTTPClient.once.execute(request, timeout: .seconds(60))
            reply = try await response.body.collect(upTo: 16 << 20)
        } catch {
            StandardError.print("rejoinder: no reply from \(self.url): \(HTTPClient.reason(of: error))")
            throw ExitCode(1)
        }
        let took = (ContinuousClock.now - start) / .milliseconds(1)
        print("\(response.status.code) \(response.status.reasonPhrase)")
        print(String(buffer: reply))
        print("\((took * 10).rounded() / 10) ms")
        if response.status.code != 200 { throw ExitCode(1) }
    }
}
