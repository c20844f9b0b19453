import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import RejoinderIngress

@Suite("The limit of connections")
struct ConnectionLimitTests {
    @Test("of many that come at once so many are accepted as may be open, and another for each that closes")
    func burst() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let accepted = Mutex<[any Channel]>([])
        let (acceptances, continuation) = AsyncStream.makeStream(of: Void.self)
        let server = try await ServerBootstrap(group: group)
            // Nobody is accepted until all are there.
            .serverChannelOption(.autoRead, value: false)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ConnectionLimit(3))
                }
            }
            .childChannelInitializer { channel in
                accepted.withLock { $0.append(channel) }
                continuation.yield()
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let address = try #require(server.localAddress)
        var callers: [any Channel] = []
        for _ in 0..<10 { callers.append(try await ClientBootstrap(group: group).connect(to: address).get()) }
        try await server.setOption(.autoRead, value: true).get()

        var next = acceptances.makeAsyncIterator()
        for most in 3...10 {
            while accepted.withLock({ $0.count }) < most { await next.next() }
            // Several turns of the loop, in which those that wait could be accepted.
            for _ in 0..<20 { try await group.next().submit {}.get() }
            #expect(accepted.withLock { $0.count } == most)
            try await accepted.withLock { $0[most - 3] }.close()
        }
        try await group.shutdownGracefully()
    }
}
