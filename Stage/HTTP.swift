import NIOCore
import NIOPosix

/// A request on a connection of its own, for what is not load.
package enum HTTP {
    /// The status of a GET on the loopback; nil where nobody answers.
    package static func status(of path: String, port: Int) async throws -> Int? {
        let response = await self.get(path, port: port)
        try Task.checkCancellation()
        return response?.status
    }

    /// The body of a GET on the loopback; nil where nobody answers with a 200.
    package static func page(_ path: String, port: Int) async -> String? {
        guard let response = await self.get(path, port: port), response.status == 200 else { return nil }
        return response.body
    }

    /// From the loopback; nil where there is no whole response within 4 s.
    private static func get(_ path: String, port: Int) async -> (status: Int, body: String)? {
        await withTaskGroup { group in
            group.addTask { try? await self.response(to: path, port: port) }
            group.addTask {
                try? await Task.sleep(for: .seconds(4))
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private static func response(to path: String, port: Int) async throws -> (status: Int, body: String)? {
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
            var response = ""
            for try await bytes in inbound { response += String(buffer: bytes) }
            guard let end = response.firstRange(of: "\r\n\r\n") else { return nil }
            let words = response.split(separator: " ", maxSplits: 2)
            guard words.count > 1, let status = Int(words[1]) else { return nil }
            return (status, String(response[end.upperBound...]))
        }
    }
}
