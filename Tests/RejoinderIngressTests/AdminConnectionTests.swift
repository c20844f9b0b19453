import EventQueue
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import TestSupport
import Testing

@testable import RejoinderIngress

@Suite("the admin port's connections", .timeLimit(.minutes(10)))
struct AdminConnectionTests {
    private struct NoQueue: CallQueue {
        let isReady = true

        func enter(_ event: NewEvent, onEnding: @escaping @Sendable (Ending) -> Void) {}
        func send() {}
        func abandon(_ id: EventID) {}
        func replied(to id: EventID, status: Int) {}
        func gaveNoAnswer(_ code: String, node: String?) {}
        func run() async throws { try await gracefulShutdown() }
    }

    /// Begins its response at once, as the dashboard's live pages do, and ends it when it is told to.
    private struct LivePage: HTTPResponder {
        let end: Mailbox<Void>

        func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
            Response(
                status: .ok,
                body: ResponseBody { writer in
                    try await writer.write(ByteBuffer(string: "begun"))
                    try await self.end.next()
                    try await writer.write(ByteBuffer(string: "ended"))
                    try await writer.finish(nil)
                }
            )
        }
    }

    @Test("one that sends nothing, or half a head, is closed in time, and a response that takes longer goes on")
    func idle() async throws {
        var options = IngressOptions(
            endpoints: [Endpoint(path: "/webhook", verifier: nil, deadline: .seconds(29), fallback: nil)]
        )
        (options.port, options.adminPort) = (0, 0)
        options.adminIdleTimeout = .milliseconds(100)
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (ports, end) = (Mailbox<Int>(), Mailbox<Void>())
        var ingress = Ingress(options: options, queue: NoQueue(), eventLoops: eventLoops, logger: .silent) {
            ports.send($1)
        }
        ingress.adminPages = LivePage(end: end)
        let group = ServiceGroup(services: try ingress.services(), logger: .silent)
        async let running: Void = group.run()
        let port = try await ports.next()
        let live = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        let response = try await live.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            var parts = inbound.makeAsyncIterator()
            var response = ""
            while !response.contains("begun"), let part = try await parts.next() { response += String(buffer: part) }
            for bytes in ["", "GET / HT"] {
                let idle = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(host: "127.0.0.1", port: port).get()
                try await idle.writeAndFlush(ByteBuffer(string: bytes))
                try await idle.closeFuture.get()
            }
            end.send(())
            while let part = try await parts.next() { response += String(buffer: part) }
            return response
        }
        #expect(response.contains("ended"))
        await group.triggerGracefulShutdown()
        try await running
        try await eventLoops.shutdownGracefully()
    }
}
