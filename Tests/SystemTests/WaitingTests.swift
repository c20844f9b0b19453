import HaptikWebhook
import LocalPostgres
import NIOCore
import NIOHTTP1
import Subprocess
import Synchronization
import TestSupport
import Testing

/// Calls that have to wait: for their own bytes, for the database, for a connection.
@Suite("calls that wait at the edge", .serialized)
struct WaitingTests {
    @Test("a call that drips in is answered, if it is whole in time")
    func drip() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--timeout-head", "20s", "--timeout-body", "20s"]) { deployment in
                try await deployment.withWorker { _ in
                    let call = try #require(HTTPCase.served.first { $0.name == "a call that is the last" })
                    let reply = try await RawConnection.exchange(
                        call.bytes,
                        port: deployment.port,
                        step: .milliseconds(2)
                    )
                    #expect(RawConnection.statuses(in: reply) == [200], "\(reply)")
                }
            }
        }
    }

    @Test("while the database is away, a call is told so past the bound and when to come again")
    func databaseAway() async throws {
        try await TestCluster.withCluster { cluster, database in
            try await Deployment.with(database, ["--database-wait", "500ms"]) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.call("echo", ["id": "1"]).message == "1")
                    try await cluster.stop(.immediate)
                    // The first waits for it, the second is refused at once.
                    for _ in 1...2 {
                        let answer = try await deployment.call("echo", ["id": "1"])
                        #expect(answer.status == 503 && answer.code == "database_away", "\(answer.body)")
                        #expect(answer.headers["retry-after"] == ["1"])
                    }
                    #expect(try await deployment.health("ready").status == 503)
                    try await cluster.start()
                    try await eventually("calls are answered again") {
                        try await deployment.call("echo", ["id": "2"]).message == "2"
                    }
                }
            }
        }
    }

    @Test("told to stop, it is unready and takes calls all the same, for as long as it is set to; told again, it goes")
    func shutdownDelay() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--shutdown-delay", "2m"]) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.health("ready").status == 200)
                    deployment.ingress.signal(.terminate)
                    try await deployment.ingress.line(containing: "leaving, calls are still taken")
                    let ready = try await deployment.health("ready")
                    #expect(ready.status == 503 && ready.body == "stopping\n")
                    #expect(try await deployment.call("echo", ["id": "1"]).message == "1")
                }
                deployment.ingress.signal(.terminate)
                await deployment.ingress.end()
            }
        }
    }

    @Test("a connection beyond the limit waits, and is served when another has gone")
    func connections() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--limit-connections", "2"]) { deployment in
                let get = "GET /webhook HTTP/1.1\r\nHost: a\r\n\r\n"
                let isServed = Flag()
                let first = try await RawConnection.open(port: deployment.port)
                let second = try await RawConnection.open(port: deployment.port)
                try await second.executeThenClose { inbound, outbound in
                    var replies = inbound.makeAsyncIterator()
                    try await outbound.write(ByteBuffer(string: get))
                    _ = try await replies.next()
                    let third: Task<String, any Error> = try await first.executeThenClose { inbound, outbound in
                        var others = inbound.makeAsyncIterator()
                        try await outbound.write(ByteBuffer(string: get))
                        _ = try await others.next()
                        let third = Task {
                            let last = "GET /webhook HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                            let reply = try await RawConnection.exchange(last, port: deployment.port)
                            isServed.set()
                            return reply
                        }
                        // The two that are open are served all the while.
                        for _ in 0..<200 {
                            try await outbound.write(ByteBuffer(string: get))
                            let reply = try await others.next().map { String(buffer: $0) } ?? ""
                            #expect(RawConnection.statuses(in: reply) == [200])
                        }
                        #expect(!isServed.isSet)
                        return third
                    }
                    #expect(RawConnection.statuses(in: try await third.value) == [200])
                }
            }
        }
    }

    @Test("out of files, it says so once, serves the connections that it has, and accepts others when it can")
    func outOfFiles() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let get = "GET /webhook HTTP/1.1\r\nHost: a\r\n\r\n"
                let first = try await RawConnection.open(port: deployment.port)
                try await first.executeThenClose { inbound, outbound in
                    var replies = inbound.makeAsyncIterator()
                    try await outbound.write(ByteBuffer(string: get))
                    _ = try await replies.next()
                    try await deployment.ingress.limitFiles(to: 1)
                    let second = Task {
                        let last = "GET /webhook HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                        return try await RawConnection.exchange(last, port: deployment.port)
                    }
                    try await deployment.ingress.line(containing: "connections can't be accepted")
                    for _ in 0..<200 {
                        try await outbound.write(ByteBuffer(string: get))
                        let reply = try await replies.next().map { String(buffer: $0) } ?? ""
                        #expect(RawConnection.statuses(in: reply) == [200])
                    }
                    try await deployment.ingress.limitFiles(to: 1000)
                    #expect(RawConnection.statuses(in: try await second.value) == [200])
                    try await deployment.ingress.line(containing: "connections are accepted again")
                    #expect(deployment.ingress.lines.count { $0.contains("can't be accepted") } == 1)
                }
            }
        }
    }
}

/// Set once, by any task.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .sequentiallyConsistent) }

    func set() { self.value.store(true, ordering: .sequentiallyConsistent) }
}
