import HaptikWebhook
import NIOHTTP1
import TestSupport
import Testing

/// Every row of the contract's table of statuses, over real HTTP, with real processes.
@Suite("the statuses that we commit to", .serialized)
struct StatusTests {
    @Test("a handler's outcome becomes the status and body that the contract says")
    func outcomes() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    let echo = try await deployment.call("echo", ["id": "42"])
                    #expect(echo.status == 200)
                    #expect(echo.body == #"{"status":true,"response":["42"]}"#)
                    #expect(echo.headers["content-type"] == ["application/json"])

                    let failure = try await deployment.call("failure")
                    #expect(failure.status == 200)
                    #expect(failure.body == #"{"status":false,"response":["no"]}"#)

                    let full = try await deployment.call("full")
                    let expected =
                        #"{"status":true,"response":["a\"b😀","{\"text\":\"rich\"}"],"response_message_type":16}"#
                    #expect(full.body == expected)

                    let refused = try await deployment.call("refuse")
                    #expect(refused.status == 400)
                    #expect(refused.code == "refused")

                    let thrown = try await deployment.call("throw")
                    #expect(thrown.status == 502)
                    #expect(thrown.code == "handler_failed")
                    #expect(thrown.headers["content-type"] == ["application/problem+json"])

                    let empty = try await deployment.call("empty")
                    #expect(empty.status == 502)
                    #expect(empty.code == "invalid_reply")

                    let retried = try await deployment.call("throw_once")
                    #expect(retried.message == "attempt 2")

                    let limited = try await deployment.call("limited")
                    #expect(limited.message == "attempt 2")

                    let unserved = try await database.query(
                        "select attempt::text, code from rejoinder.recent where node in ('throw', 'empty') order by id"
                    )
                    #expect(unserved == [["3", "handler_failed"], ["1", "invalid_reply"]])
                }
            }
        }
    }

    @Test("what is not a call gets the status that the contract says, before anything is enqueued")
    func refusals() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--limit-body", "2KiB"]) { deployment in
                let body = Deployment.body("echo")

                let open = try await deployment.send(.GET, "/webhook")
                #expect(open.status == 200)
                #expect(open.body.split(separator: "\n").count == 1)
                #expect(try await deployment.send(.HEAD, "/webhook").status == 200)
                #expect(try await deployment.send(.GET, "/other").status == 404)
                let method = try await deployment.send(.DELETE, "/webhook")
                #expect(method.status == 405)
                #expect(method.headers["allow"] == ["GET, HEAD, POST"])

                for type in ["text/plain", "application/json-seq", ""] {
                    let answer = try await deployment.post(body, headers: [("Content-Type", type)])
                    #expect(answer.status == 400 && answer.code == "content_type")
                }
                #expect(try await deployment.post([]).code == "empty_body")
                #expect(try await deployment.post(Array("{}".utf8)).code == "contract")
                let comma = try await deployment.post(Array(#"{"node":"n","event":"e","user":{},"entities":{},}"#.utf8))
                #expect(comma.status == 400 && comma.code == "contract")

                let encoded = try await deployment.post(
                    body,
                    headers: [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
                )
                #expect(encoded.status == 415)
                #expect(try await deployment.post(Array(repeating: 32, count: 3000)).status == 413)

                let stored = try await database.query("select count(*)::text from rejoinder.event")
                #expect(stored == [["0"]])
            }
        }
    }

    @Test("every failed signature check gets the same 401, and several secrets are active at once")
    func signatures() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, environment: ["REJOINDER_SECRET": "old, new"]) { deployment in
                try await deployment.withWorker { _ in
                    let body = Deployment.body("echo", ["id": "1"])
                    for secret in ["old", "new"] {
                        let signature = SignatureVerifier.header(for: body, secret: secret)
                        #expect(try await deployment.post(body, signature: signature).status == 200)
                        #expect(try await deployment.post(body, signature: signature.uppercasedHex).status == 200)
                    }
                    let right = SignatureVerifier.header(for: body, secret: "new")
                    let sha256 = SignatureVerifier.header(for: body, secret: "new", algorithm: .sha256)
                    let wrong = [
                        "", "sha1=", "sha1=00", "zzz", sha256, String(right.dropLast()), right + "0",
                        SignatureVerifier.header(for: body, secret: "test"),
                    ]
                    var bodies: Set<String> = []
                    for signature in wrong {
                        let answer = try await deployment.post(body, signature: signature)
                        #expect(answer.status == 401)
                        bodies.insert(answer.body)
                    }
                    let unsigned = try await deployment.post(body, isSigned: false)
                    #expect(unsigned.status == 401)
                    bodies.insert(unsigned.body)
                    #expect(bodies.count == 1)
                }
            }
        }
    }

    @Test("heads that are too large, too slow or no HTTP get 431, 408 and 400, and the connection is closed")
    func heads() async throws {
        try await TestCluster.withDatabase { database in
            let limits = ["--timeout-head", "300ms", "--timeout-body", "300ms"]
            try await Deployment.with(database, limits) { deployment in
                let long = String(repeating: "a", count: 17_000)
                let cases = [
                    ("GET /webhook HTTP/1.1\r\nHost: a\r\nX-A: \(long)\r\n\r\n", "HTTP/1.1 431 "),
                    (
                        "GET /webhook HTTP/1.1\r\nHost: a\r\n" + (0...120).map { "X-\($0): a\r\n" }.joined() + "\r\n",
                        "HTTP/1.1 431 "
                    ),
                    ("POST /webhook HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 408 "),
                    ("POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 408 "),
                    ("NONSENSE\r\n\r\n", "HTTP/1.1 400 "),
                ]
                for (request, status) in cases {
                    // Read to the end: the connection is closed, and there is one reply.
                    let reply = try await RawConnection.exchange(request, port: deployment.port)
                    #expect(reply.hasPrefix(status), "\(reply)")
                    #expect(reply.components(separatedByText: "HTTP/1.1 ") == 1)
                    #expect(reply.contains("application/problem+json"))
                }
                let pipelined =
                    "GET /webhook HTTP/1.1\r\nHost: a\r\n\r\nGET /webhook HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n"
                let replies = try await RawConnection.exchange(pipelined, port: deployment.port)
                #expect(replies.components(separatedByText: "HTTP/1.1 200 ") == 2)
                #expect(replies.components(separatedByText: "HTTP/1.1 400 ") == 1)
            }
        }
    }

    @Test("no worker, no reply in time, too many calls and a database that is away get 503 and 504")
    func unavailable() async throws {
        try await TestCluster.withDatabase { database in
            let limits = ["--deadline", "3s", "--worker-grace", "500ms", "--limit-calls", "2"]
            try await Deployment.with(database, limits) { deployment in
                let unserved = try await deployment.call("nobody")
                #expect(unserved.status == 503 && unserved.code == "no_worker")
                #expect(unserved.headers["retry-after"] == ["1"])
                try await deployment.withWorker { worker in
                    try await deployment.eventually("select count(*)::text from rejoinder.workers", is: "1")
                    async let first = deployment.call("sleep", ["ms": "20000"])
                    async let second = deployment.call("sleep", ["ms": "20000"])
                    try await deployment.eventually(
                        "select count(*)::text from rejoinder.queue where state = 'running'",
                        is: "2"
                    )
                    let third = try await deployment.call("echo")
                    #expect(third.status == 503 && third.code == "overloaded")
                    for answer in try await [first, second] {
                        #expect(answer.status == 504 && answer.code == "no_reply")
                    }
                    let states = try await database.query(
                        "select distinct state::text from rejoinder.recent where node = 'sleep'"
                    )
                    #expect(states == [["expired"]])
                }
            }
        }
    }
}

extension String {
    fileprivate var uppercasedHex: String { "sha1=" + self.dropFirst(5).uppercased() }

    fileprivate func components(separatedByText text: String) -> Int { self.ranges(of: text).count }
}
