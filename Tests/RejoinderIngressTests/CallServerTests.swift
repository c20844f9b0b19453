import EventQueue
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import RejoinderIngress

@Suite("The public port")
struct CallServerTests {
    /// Takes calls, and answers none.
    private struct SilentQueue: CallQueue {
        let onEnter: @Sendable () -> Void
        let isReady = true

        func enter(_ event: NewEvent, onEnding: @escaping @Sendable (Ending) -> Void) { self.onEnter() }
        func send() {}
        func abandon(_ id: EventID) {}
        func replied(to id: EventID, status: Int) {}
        func gaveNoAnswer(_ code: String, node: String?) {}
        func run() async throws {}
    }

    @Test("cancelled, it waits for no caller, closes their connections, and takes no others")
    func cancelled() async throws {
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (ports, listening) = AsyncStream.makeStream(of: Int.self)
        let (entries, entered) = AsyncStream.makeStream(of: Void.self)
        var options = IngressOptions(
            endpoints: [Endpoint(path: "/webhook", verifier: nil, deadline: .seconds(29), fallback: nil)]
        )
        (options.host, options.port) = ("127.0.0.1", 0)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let calls = Calls(
            options: options,
            endpoints: EndpointTable(options.endpoints),
            queue: SilentQueue { entered.yield() },
            logger: logger
        )
        let server = CallServer(options: options, calls: calls, tls: nil, eventLoops: eventLoops, logger: logger) {
            listening.yield($0 ?? 0)
        }
        let running = Task { try await server.run() }
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: await ports.first { _ in true } ?? 0)
        let caller = try await ClientBootstrap(group: eventLoops).connect(to: address).get()
        let body = CallHandlerTests.body
        let head = "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        try await caller.writeAndFlush(
            ByteBuffer(string: "\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        )
        _ = await entries.first { _ in true }

        running.cancel()
        try await running.value
        try await caller.closeFuture.get()
        await #expect(throws: (any Error).self) {
            try await ClientBootstrap(group: eventLoops).connect(to: address).get()
        }
        try await eventLoops.shutdownGracefully()
    }
}
