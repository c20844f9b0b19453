import NIOCore
import NIOPosix

/// Ports that nobody uses at this moment, for programs that are started a moment later.
enum FreePort {
    static func numbers(_ count: Int) async throws -> [Int] {
        var channels: [any Channel] = []
        // All are open before the first is closed: each is another.
        defer { for channel in channels { channel.close(promise: nil) } }
        for _ in 0..<count {
            let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            channels.append(try await bootstrap.bind(host: "127.0.0.1", port: 0).get())
        }
        return channels.compactMap { $0.localAddress?.port }
    }
}
