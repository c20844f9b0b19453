import NIOCore
import NIOPosix

/// Bytes over TCP, for requests that no HTTP client would send.
enum RawConnection {
    typealias Stream = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    static func open(port: Int) async throws -> Stream {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try Stream(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true)
                    )
                }
            }
    }

    /// Sends the bytes and reads until the other side closes.
    ///
    /// With `step`, sends them one by one, so far apart.
    static func exchange(
        _ bytes: [UInt8],
        port: Int,
        thenCloses: Bool = false,
        step: Duration? = nil
    ) async throws -> String {
        let pieces = step == nil ? [bytes] : bytes.map { [$0] }
        return try await self.exchange(pieces: pieces, port: port, thenCloses: thenCloses, step: step)
    }

    /// The same in pieces, each sent for itself.
    static func exchange(
        pieces: [[UInt8]],
        port: Int,
        thenCloses: Bool = false,
        step: Duration? = nil
    ) async throws -> String {
        try await self.open(port: port).executeThenClose { inbound, outbound in
            async let reply = self.read(inbound)
            do {
                for piece in pieces {
                    try await outbound.write(ByteBuffer(bytes: piece))
                    if let step { try await Task.sleep(for: step) }
                }
                if thenCloses { outbound.finish() }
            } catch {
                // Closed before it had all; what it replied is what matters.
            }
            return await reply
        }
    }

    static func exchange(_ text: String, port: Int) async throws -> String {
        try await self.exchange(Array(text.utf8), port: port)
    }

    /// What comes until the other side closes.
    static func read(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async -> String {
        var reply = ByteBuffer()
        do {
            for try await var part in inbound { reply.writeBuffer(&part) }
        } catch {
            // A reset ends the connection as well.
        }
        return String(buffer: reply)
    }

    /// The statuses of the responses in what came back.
    static func statuses(in reply: String) -> [Int] {
        reply.ranges(of: "HTTP/1.1 ").compactMap { Int(reply[$0.upperBound...].prefix(3)) }
    }
}
