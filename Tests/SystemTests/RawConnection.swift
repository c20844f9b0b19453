import NIOCore
import NIOPosix

/// Bytes over TCP, for requests that no HTTP client would send.
enum RawConnection {
    /// Sends the bytes and reads until the other side closes.
    static func exchange(_ text: String, port: Int) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var reply = ByteBuffer()
            for try await var part in inbound { reply.writeBuffer(&part) }
            return String(buffer: reply)
        }
    }
}
