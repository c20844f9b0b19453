import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import AdminPort

@Suite("the admin port's requests")
struct AdminHandlerTests {
    /// What comes back for a request, and whether the connection ends.
    private func response(to request: String) throws -> String {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
        try channel.pipeline.syncOperations.addHandler(
            AdminHandler(pages: [
                "/metrics": { AdminPort.Page(body: "a 1\n") },
                "/health/ready": { AdminPort.Page(isAvailable: false, body: "draining\n") },
            ])
        )
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(ByteBuffer(string: request))
        var response = ""
        while let part = try channel.readOutbound(as: ByteBuffer.self) { response += String(buffer: part) }
        #expect(!channel.isActive)
        _ = try? channel.finish()
        return response
    }

    @Test(
        "a page per path, for GET and HEAD",
        arguments: [
            ("GET /metrics", "200 OK", "a 1\n"),
            ("GET /metrics?x=1", "200 OK", "a 1\n"),
            ("HEAD /metrics", "200 OK", ""),
            ("GET /health/ready", "503 Service Unavailable", "draining\n"),
            ("GET /", "404 Not Found", "there is no such page\n"),
            ("POST /metrics", "405 Method Not Allowed", "GET and HEAD only\n"),
        ]
    )
    func pages(_ request: String, _ status: String, _ body: String) throws {
        let response = try self.response(to: "\(request) HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(response.hasPrefix("HTTP/1.1 \(status)\r\n"))
        #expect(response.contains("connection: close\r\n"))
        #expect(response.hasSuffix("\r\n\r\n" + body))
    }

    @Test("only the first request of a connection is answered, and what is no HTTP closes it")
    func first() throws {
        let twice = String(repeating: "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", count: 2)
        #expect(try self.response(to: twice).ranges(of: "HTTP/1.1 200 OK").count == 1)
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
        try channel.pipeline.syncOperations.addHandler(AdminHandler(pages: [:]))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        _ = try? channel.writeInbound(ByteBuffer(string: "NONSENSE\r\n\r\n"))
        channel.embeddedEventLoop.run()
        #expect(!channel.isActive)
    }

    @Test("there is room for so many connections")
    func room() {
        let count = ConnectionCount()
        #expect([1, 2, 3].map { _ in count.enter(upTo: 2) } == [true, true, false])
        count.leave()
        #expect(count.enter(upTo: 2))
    }
}
