import NIOCore
import NIOPosix

/// A request on a connection of its own, for what is not load.
enum HTTP {
    /// The status of a GET on the loopback; nil where nobody answers.
    static func status(of path: String, port: Int) async throws -> Int? {
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(.seconds(2))
                .connect(host: "127.0.0.1", port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            return try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(string: "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                )
                for try await bytes in inbound {
                    let words = String(buffer: bytes).split(separator: " ")
                    return words.count > 1 ? Int(words[1]) : nil
                }
                return nil
            }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return nil
        }
    }
}
