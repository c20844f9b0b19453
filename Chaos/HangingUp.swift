import HaptikWebhook
import NIOCore
import NIOPosix

/// Callers that send a whole call and then hang up, at a moment of their own.
enum HangingUp {
    /// How many there were.
    static func callers(
        rate: Double,
        seconds: Double,
        urls ports: [Int],
        body: String,
        secret: String
    ) async throws -> Int {
        let bytes = Array(body.utf8)
        let head = """
            POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
            X-Hub-Signature: \(SignatureVerifier.header(for: bytes, secret: secret))\r\n\
            Content-Length: \(bytes.count)\r\n\r\n
            """
        let request = ByteBuffer(bytes: Array(head.utf8) + bytes)
        let count = Int(rate * seconds)
        try await withThrowingDiscardingTaskGroup { group in
            for index in 0..<count {
                let port = ports[index % ports.count]
                group.addTask {
                    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                        .connect(host: "127.0.0.1", port: port).get()
                    try await channel.writeAndFlush(request)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...1000)))
                    try? await channel.close()
                }
                try await Task.sleep(for: .seconds(1 / rate))
            }
        }
        return count
    }
}
