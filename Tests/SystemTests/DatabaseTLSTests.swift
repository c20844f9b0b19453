import NIOCore
import NIOPosix
import NIOSSL
import PostgresClient
import TestSupport
import Testing

/// TLS on the way to PostgreSQL.
@Suite("TLS to the database", .timeLimit(.minutes(10)))
struct DatabaseTLSTests {
    @Test("an answer that ends in the middle of what OpenSSL hands on at once is read to its end")
    func wholeRecords() async throws {
        try await CertificatePair.with { pair in
            try await TestCluster.withDatabase(migrated: false) { database in
                let place = try await database.query(
                    """
                    select trim(current_setting('unix_socket_directories'), '"') || '/.s.PGSQL.' || current_setting('port'),
                           current_database()::text
                    """
                )[0].compactMap(\.self)
                try await TLSRelay.run(before: place[0], pair) { port in
                    var configuration = PostgresConfiguration(
                        connectionString: "postgres://postgres@127.0.0.1:\(port)/\(place[1])?sslmode=require",
                        applicationName: "tests"
                    )
                    configuration.statementTimeout = .seconds(5)
                    let connection = try await PostgresConnection.connect(configuration, logger: .silent)
                    for count in 100...600 {
                        let rows = try await connection.query(
                            "select repeat('x', 100) from generate_series(1, \(count))"
                        )
                        #expect(rows.count == count)
                    }
                    await connection.close()
                }
            }
        }
    }
}

/// Ends TLS before PostgreSQL, and sends each answer as a whole: in records of 16 KiB, as poolers and proxies may.
private enum TLSRelay {
    private typealias Stream = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    static func run(
        before socketPath: String,
        _ pair: CertificatePair,
        _ body: (Int) async throws -> Void
    ) async throws {
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: NIOSSLCertificate.fromPEMFile(pair.certificatePath).map { .certificate($0) },
                privateKey: .privateKey(NIOSSLPrivateKey(file: pair.keyPath, format: .pem))
            )
        )
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TLSOnRequest(context))
                    return try Stream(wrappingChannelSynchronously: channel)
                }
            }
        let task = Task {
            try await server.executeThenClose { clients in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await client in clients {
                        group.addTask { try? await self.carry(client, to: socketPath) }
                    }
                }
            }
        }
        defer { task.cancel() }
        try await body(try #require(server.channel.localAddress?.port))
    }

    private static func carry(_ client: Stream, to socketPath: String) async throws {
        try await client.executeThenClose { questions, toClient in
            let upstream = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: socketPath) { channel in
                    channel.eventLoop.makeCompletedFuture { try Stream(wrappingChannelSynchronously: channel) }
                }
            try await upstream.executeThenClose { answers, toServer in
                try await withThrowingTaskGroup { group in
                    group.addTask { for try await bytes in questions { try await toServer.write(bytes) } }
                    group.addTask {
                        var answer = ByteBuffer()
                        for try await bytes in answers {
                            answer.writeImmutableBuffer(bytes)
                            guard answer.endsWithReadyForQuery else { continue }
                            try await toClient.write(answer)
                            answer.clear()
                        }
                    }
                    try await group.next()
                    group.cancelAll()
                }
            }
        }
    }
}

/// Says yes to PostgreSQL's SSLRequest, after which TLS begins.
private final class TLSOnRequest: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let tls: NIOSSLContext

    init(_ tls: NIOSSLContext) {
        self.tls = tls
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: "S")), promise: nil)
        let pipeline = context.pipeline.syncOperations
        do {
            try pipeline.addHandler(NIOSSLServerHandler(context: self.tls), position: .before(self))
            pipeline.removeHandler(self, promise: nil)
        } catch {
            context.fireErrorCaught(error)
        }
    }
}

extension ByteBuffer {
    /// The end of an answer: 'Z', its length, and the transaction's state.
    fileprivate var endsWithReadyForQuery: Bool {
        guard self.readableBytes >= 6 else { return false }
        return self.readableBytesView.suffix(6).prefix(5).elementsEqual([0x5A, 0, 0, 0, 5])
    }
}
