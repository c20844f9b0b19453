import HaptikWebhook
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Stage
import Subprocess
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// TLS on the public port.
@Suite("TLS", .serialized)
struct TLSTests {
    @Test("1.2 and later are spoken, and nothing before")
    func versions() async throws {
        try await CertificatePair.with { pair in
            try await TestCluster.withDatabase { database in
                try await Deployment.with(database, pair.arguments) { deployment in
                    for version in [TLSVersion.tlsv12, .tlsv13] {
                        let reply = try await TLSCall(port: deployment.port, version: version).reply(to: Self.get)
                        #expect(RawConnection.statuses(in: reply) == [200])
                    }
                    for version in [TLSVersion.tlsv1, .tlsv11] {
                        await #expect(throws: (any Error).self) {
                            _ = try await TLSCall(port: deployment.port, version: version).reply(to: Self.get)
                        }
                    }
                    let reply = try await TLSCall(port: deployment.port).reply(to: Self.get)
                    #expect(RawConnection.statuses(in: reply) == [200])
                }
            }
        }
    }

    @Test("a connection that is opened ahead of its use is no request that doesn't come in time")
    func openedAhead() async throws {
        try await CertificatePair.with { pair in
            try await TestCluster.withDatabase { database in
                let arguments = pair.arguments + ["--timeout-head", "3s"]
                try await Deployment.with(database, arguments) { deployment in
                    let call = TLSCall(port: deployment.port)
                    let reply = try await call.reply(to: Self.get, after: .seconds(4))
                    #expect(RawConnection.statuses(in: reply) == [200])
                    // Of those that never make the handshake one is rid as soon.
                    let began = ContinuousClock.now
                    _ = try await RawConnection.exchange([0x16, 0x03], port: deployment.port)
                    #expect(ContinuousClock.now - began < .seconds(30))
                }
            }
        }
    }

    @Test("send says in words that a certificate isn't trusted, without waiting for another")
    func untrusted() async throws {
        try await CertificatePair.with { pair in
            let path = "\(pair.folder)/call.json"
            try Data("{}".utf8).write(to: URL(filePath: path))
            try await TestCluster.withDatabase { database in
                try await Deployment.with(database, pair.arguments) { deployment in
                    let url = "https://localhost:\(deployment.port)/webhook"
                    let sent = try await Program.run(
                        "rejoinder",
                        ["send", "--url", url, "--body", path],
                        environment: ["REJOINDER_SECRET": Deployment.secret]
                    )
                    #expect("\(sent.status)" == "exited(1)")
                    #expect(sent.lines == ["rejoinder: no reply from \(url): the server's certificate isn't trusted"])
                }
            }
        }
    }

    @Test("a pair that is replaced serves new connections, a bad one is refused, and no call is lost")
    func renewal() async throws {
        try await CertificatePair.with { pair in
            let first = try pair.certificate()
            try await TestCluster.withDatabase { database in
                try await Deployment.with(database, pair.arguments) { deployment in
                    try await deployment.withWorker { _ in
                        let call = Self.call(milliseconds: 12_000)
                        async let slow = TLSCall(port: deployment.port).reply(to: call)
                        try await deployment.eventually("select count(*)::text from rejoinder.queue", is: "1")
                        #expect(try await TLSCall(port: deployment.port).certificate() == first)

                        try await pair.renew()
                        let second = try pair.certificate()
                        #expect(first != second)
                        try await eventually("the new certificate is served", within: .seconds(30)) {
                            try await TLSCall(port: deployment.port).certificate() == second
                        }

                        try pair.spoil()
                        let line = try await deployment.ingress.line(
                            containing: "the certificate on disk can't be used"
                        )
                        #expect(line.contains(" error "))
                        let scrape = try await Scrape(port: deployment.adminPort)
                        #expect(
                            scrape["rejoinder_certificate_expiry_timestamp_seconds"]
                                == second.map { Double($0.notValidAfter) }
                        )
                        #expect(scrape["rejoinder_certificate_load_failures_total"] ?? 0 >= 1)
                        #expect(try await TLSCall(port: deployment.port).certificate() == second)
                        #expect(RawConnection.statuses(in: try await slow) == [200])
                    }
                }
            }
        }
    }

    @Test("a key that belongs to another certificate is refused, and the pair in use goes on")
    func otherKey() async throws {
        try await CertificatePair.with { pair in
            try await CertificatePair.with { other in
                let served = try pair.certificate()
                try await TestCluster.withDatabase { database in
                    try await Deployment.with(database, pair.arguments) { deployment in
                        #expect(try await TLSCall(port: deployment.port).certificate() == served)
                        try pair.take(other, certificate: false)
                        let line = try await deployment.ingress.line(
                            containing: "the certificate on disk can't be used"
                        )
                        #expect(line.contains(" error "))
                        #expect(try await TLSCall(port: deployment.port).certificate() == served)
                        // With the certificate that it belongs to, it is taken.
                        try pair.take(other, certificate: true)
                        try await eventually("the new certificate is served", within: .seconds(30)) {
                            try await TLSCall(port: deployment.port).certificate() == other.certificate()
                        }
                    }
                }
            }
        }
    }

    private static let get = "GET /webhook HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    private static func call(milliseconds: Int) -> String {
        let body = Deployment.body("sleep", ["id": "1", "ms": "\(milliseconds)"])
        return "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n"
            + "X-Hub-Signature: \(SignatureVerifier.header(for: body, secret: Deployment.secret))\r\n"
            + "Content-Length: \(body.count)\r\n\r\n" + String(decoding: body, as: UTF8.self)
    }
}

/// One connection of a client that trusts anybody and speaks the version that it is told.
private struct TLSCall {
    let port: Int
    var version: TLSVersion?

    /// Sends a request and reads until the other side closes.
    func reply(to request: String, after pause: Duration = .zero) async throws -> String {
        try await self.connect { _ in }.executeThenClose { inbound, outbound in
            try await Task.sleep(for: pause)
            try await outbound.write(ByteBuffer(string: request))
            var reply = ByteBuffer()
            do {
                for try await var part in inbound { reply.writeBuffer(&part) }
            } catch  where reply.readableBytes > 0 {
                // The end of a connection may be unclean; the reply is whole.
            }
            return String(buffer: reply)
        }
    }

    /// What the other side shows for itself.
    func certificate() async throws -> NIOSSLCertificate? {
        let shown = Mailbox<NIOSSLCertificate?>()
        let channel = try await self.connect { shown.send($0) }
        return try await channel.executeThenClose { _, outbound in
            try await outbound.write(ByteBuffer(string: "GET /webhook HTTP/1.1\r\nHost: a\r\n\r\n"))
            return try await shown.next()
        }
    }

    private func connect(
        _ onCertificate: @escaping @Sendable (NIOSSLCertificate?) -> Void
    ) async throws -> RawConnection.Stream {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .noHostnameVerification
        configuration.minimumTLSVersion = self.version ?? .tlsv12
        configuration.maximumTLSVersion = self.version
        let context = try NIOSSLContext(configuration: configuration)
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: self.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = try NIOSSLClientHandler(context: context, serverHostname: nil) { chain, promise in
                        onCertificate(chain.first)
                        promise.succeed(.certificateVerified)
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                    return try RawConnection.Stream(wrappingChannelSynchronously: channel)
                }
            }
    }
}
