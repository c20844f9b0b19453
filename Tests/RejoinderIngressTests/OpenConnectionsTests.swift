import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import RejoinderIngress

@Suite("A port's connections")
struct OpenConnectionsTests {
    /// A port with at most three connections, which accepts nobody before it is told to.
    private final class Port: Sendable {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let accepted = Mutex<[any Channel]>([])
        /// What it ended with.
        let ends: AsyncStream<(any Error)?>
        private let end: AsyncStream<(any Error)?>.Continuation
        private let acceptances: AsyncStream<Void>
        private let acceptance: AsyncStream<Void>.Continuation

        init() {
            (self.ends, self.end) = AsyncStream.makeStream()
            (self.acceptances, self.acceptance) = AsyncStream.makeStream()
        }

        func open() async throws -> any Channel {
            try await ServerBootstrap(group: self.group)
                .serverChannelOption(.autoRead, value: false)
                .serverChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                        let connections = OpenConnections(most: 3, logger: logger) { self.end.yield($0) }
                        try channel.pipeline.syncOperations.addHandler(connections)
                    }
                }
                .childChannelInitializer { channel in
                    self.accepted.withLock { $0.append(channel) }
                    self.acceptance.yield()
                    return channel.eventLoop.makeSucceededVoidFuture()
                }
                .bind(host: "127.0.0.1", port: 0)
                .get()
        }

        var count: Int { self.accepted.withLock { $0.count } }

        /// Waits until so many have been accepted.
        func accepts(_ count: Int) async {
            var acceptances = self.acceptances.makeAsyncIterator()
            while self.count < count { await acceptances.next() }
        }

        /// Waits for several turns of the loop, in which those that wait could be accepted.
        func settles() async throws {
            for _ in 0..<20 { try await self.group.next().submit {}.get() }
        }
    }

    @Test("of many that come at once so many are accepted as may be open, and another for each that closes")
    func burst() async throws {
        let port = Port()
        let server = try await port.open()
        let address = try #require(server.localAddress)
        for _ in 0..<10 { _ = try await ClientBootstrap(group: port.group).connect(to: address).get() }
        try await server.setOption(.autoRead, value: true).get()
        for most in 3...10 {
            await port.accepts(most)
            try await port.settles()
            #expect(port.count == most)
            try await port.accepted.withLock { $0[most - 3] }.close()
        }
        try await port.group.shutdownGracefully()
    }

    @Test("a port that closes by itself has ended with an error when its connections have closed")
    func closedByItself() async throws {
        let port = Port()
        let server = try await port.open()
        let address = try #require(server.localAddress)
        let caller = try await ClientBootstrap(group: port.group).connect(to: address).get()
        try await server.setOption(.autoRead, value: true).get()
        await port.accepts(1)
        // As NIO closes it.
        let cause = IOError(errnoCode: EPROTO, reason: "accept")
        server.pipeline.fireErrorCaught(cause)
        try await server.close()
        try await port.settles()
        #expect(caller.isActive)
        try await caller.close()
        let end = await port.ends.first { _ in true }
        #expect((end as? IOError)?.errnoCode == EPROTO)
        try await port.group.shutdownGracefully()
    }
}
