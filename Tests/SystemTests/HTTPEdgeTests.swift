import HaptikWebhook
import NIOCore
import NIOPosix
import Settings
import TestSupport
import Testing

/// What strangers may send to the public port: served or refused by RFC 9112, never answered twice, and no harm to others.
@Suite("the HTTP edge", .serialized)
struct HTTPEdgeTests {
    private static let timeouts = ["--timeout-head", "1s", "--timeout-body", "1s"]

    @Test("what is sent is served, or refused with a clear status and the connection closed")
    func cases() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, Self.timeouts) { deployment in
                try await deployment.withWorker { _ in
                    for group in [HTTPCase.served, HTTPCase.framing, HTTPCase.fields, HTTPCase.sizes] {
                        for one in group { try await Self.check(one, deployment) }
                    }
                    let answer = try await deployment.call("echo", ["id": "1"])
                    #expect(answer.message == "1")
                }
            }
        }
    }

    /// The connection is read to its end: a refusal has closed it, and nothing that follows is served.
    private static func check(_ one: HTTPCase, _ deployment: Deployment) async throws {
        let bytes = one.bytes + (one.isFollowed ? Array(HTTPCase.follower.utf8) : [])
        let reply = try await RawConnection.exchange(bytes, port: deployment.port)
        #expect(RawConnection.statuses(in: reply) == one.statuses, "\(one.name): \(reply)")
        if let last = one.statuses.last, last >= 400 {
            #expect(reply.contains("application/problem+json"), "\(one.name)")
        }
    }

    @Test("an HTTP/1.0 client that asks for it is told that its connection stays")
    func keepAlive() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let asking = "GET /webhook HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                let reply = try await RawConnection.exchange(
                    asking + asking + "GET /webhook HTTP/1.0\r\n\r\n",
                    port: deployment.port
                )
                #expect(RawConnection.statuses(in: reply) == [200, 200, 200])
                #expect(reply.ranges(of: "connection: keep-alive").count == 2)
                #expect(reply.ranges(of: "connection: close").count == 1)
            }
        }
    }

    @Test("a caller that closes its side has hung up: no reply, and its event is cancelled")
    func halfClose() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let call = try #require(HTTPCase.served.first)
                let reply = try await RawConnection.exchange(call.bytes, port: deployment.port, thenCloses: true)
                #expect(reply.isEmpty)
                let head = try await RawConnection.exchange(
                    Array("GET /web".utf8),
                    port: deployment.port,
                    thenCloses: true
                )
                #expect(RawConnection.statuses(in: head) == [400])
                try await deployment.eventually("select count(*)::text from rejoinder.queue", is: "0")
            }
        }
    }

    @Test("a head or body that drips in is refused when its time is over, however lively it is")
    func drip() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, Self.timeouts) { deployment in
                let head = "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n"
                for text in ["GET /" + String(repeating: "a", count: 999), head + String(repeating: "a", count: 998)] {
                    let start = ContinuousClock.now
                    let reply = try await RawConnection.exchange(
                        Array(text.utf8),
                        port: deployment.port,
                        step: .milliseconds(20)
                    )
                    #expect(RawConnection.statuses(in: reply) == [408])
                    #expect(ContinuousClock.now - start < .seconds(10))
                }
            }
        }
    }

    @Test("a caller that sends all of its body before it reads that nobody wants it is not cut off meanwhile")
    func unwantedBody() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let connection = try await RawConnection.open(port: deployment.port)
                let reply = try await connection.executeThenClose { inbound, outbound in
                    let head = "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
                    try await outbound.write(ByteBuffer(string: head))
                    for _ in 0..<25 {
                        try await outbound.write(ByteBuffer(string: "a"))
                        try await Task.sleep(for: .milliseconds(100))
                    }
                    outbound.finish()
                    return await RawConnection.read(inbound)
                }
                #expect(RawConnection.statuses(in: reply) == [413])
            }
        }
    }

    @Test("on the admin port, too, a response to HEAD is its head alone")
    func adminHead() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let heads = ["/health/live", "/health/ready", "/metrics", "/", "/other"].map {
                    "HEAD \($0) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                }
                let last = "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                let reply = try await RawConnection.exchange(heads.joined() + last, port: deployment.adminPort)
                let parts = reply.split(separator: "\r\n\r\n")
                #expect(parts.count == 7, "\(reply)")
                #expect(parts.dropLast().allSatisfy { $0.hasPrefix("HTTP/1.1 ") })
                #expect(parts.last == "live\n")
            }
        }
    }

    @Test("2,000 connections that dawdle don't hold up a call")
    func slowConnections() async throws {
        OpenFiles.allowAsManyAsPossible()
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--timeout-head", "60s", "--timeout-body", "60s"]) { deployment in
                try await deployment.withWorker { _ in
                    let call = try await deployment.call("echo", ["id": "0"])
                    #expect(call.message == "0")
                    let channels = try await Self.dawdle(2000, port: deployment.port)
                    for number in 1...20 {
                        let start = ContinuousClock.now
                        let answer = try await deployment.call("echo", ["id": "\(number)"])
                        #expect(answer.message == "\(number)")
                        #expect(ContinuousClock.now - start < .seconds(1))
                    }
                    for channel in channels { channel.close(promise: nil) }
                }
            }
        }
    }

    /// Connections, each of which sends half of a head or body and no more.
    private static func dawdle(_ count: Int, port: Int) async throws -> [any Channel] {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let halves = [
            "POST /webhook HTTP/1.1\r\nHo", "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
        ]
        var channels: [any Channel] = []
        for number in 0..<count {
            let channel = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
            try await channel.writeAndFlush(ByteBuffer(string: halves[number % 2]))
            channels.append(channel)
        }
        return channels
    }
}
