import HaptikWebhook

/// Bytes that somebody may send to the public port, and what they get back.
struct HTTPCase: Sendable {
    let name: String
    let bytes: [UInt8]
    let statuses: [Int]
    /// Whether one more request is sent behind it, which must be served after what is fine, and never after a refusal.
    let isFollowed: Bool

    init(_ name: String, _ bytes: [UInt8], _ statuses: [Int], isFollowed: Bool = true) {
        self.name = name
        self.bytes = bytes
        self.statuses = statuses
        self.isFollowed = isFollowed
    }

    private init(_ name: String, _ text: String, _ statuses: [Int], isFollowed: Bool = true) {
        self.init(name, Array(text.utf8), statuses, isFollowed: isFollowed)
    }

    static let follower = "GET /webhook HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    static let body = String(decoding: Deployment.body("echo", ["id": "7"]), as: UTF8.self)
    private static let length = "Content-Length: \(body.utf8.count)\r\n"
    private static let signed =
        "Host: a\r\nContent-Type: application/json\r\nX-Hub-Signature: "
        + SignatureVerifier.header(for: Array(body.utf8), secret: Deployment.secret) + "\r\n"
    private static let size = String(body.utf8.count, radix: 16)
    private static let chunks = "\(size)\r\n\(body)\r\n0\r\n\r\n"

    /// A signed call with other fields than usual.
    private static func call(
        _ fields: String,
        _ body: String = body,
        line: String = "POST /webhook HTTP/1.1\r\n"
    ) -> String {
        "\(line)\(signed)\(fields)\r\n\(body)"
    }

    private static func chunked(_ chunks: String) -> String { self.call("Transfer-Encoding: chunked\r\n", chunks) }

    static let served: [HTTPCase] = [
        HTTPCase("a call", call(length), [200, 200]),
        HTTPCase("chunks", chunked(chunks), [200, 200]),
        HTTPCase("a coding in upper case", call("Transfer-Encoding: CHUNKED\r\n", chunks), [200, 200]),
        HTTPCase(
            "a chunk's extensions",
            chunked("\(size);a=b;c=\"d\\\"e\"\r\n\(body)\r\n0;x\r\n\r\n"),
            [200, 200]
        ),
        HTTPCase("a trailer", chunked("\(size)\r\n\(body)\r\n0\r\nX-T: a\r\n\r\n"), [200, 200]),
        HTTPCase("pipelined calls", String(repeating: call(length), count: 3), [200, 200, 200, 200]),
        HTTPCase("a call that is the last", call("Connection: close\r\n" + length), [200]),
        HTTPCase("absolute form", call(length, line: "POST http://a/webhook HTTP/1.1\r\n"), [200, 200]),
        HTTPCase("an empty line before", "\r\n" + call(length), [200, 200]),
        HTTPCase("bytes beyond ASCII in a field", call("X-A: é\r\n" + length), [200, 200]),
        HTTPCase("an empty host", "GET /webhook HTTP/1.1\r\nHost:\r\n\r\n", [200, 200]),
        HTTPCase(
            "a body that nobody wants",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            [404, 200]
        ),
        HTTPCase("HTTP/1.0", call(length, line: "POST /webhook HTTP/1.0\r\n"), [200]),
        HTTPCase(
            "HTTP/1.0 that asks for more",
            call("Connection: keep-alive\r\n" + length, line: "POST /webhook HTTP/1.0\r\n"),
            [200, 200]
        ),
        HTTPCase("100-continue", call("Expect: 100-continue\r\n" + length), [100, 200, 200]),
        HTTPCase(
            "100-continue by HTTP/1.0",
            call("Expect: 100-continue\r\n" + length, line: "POST /webhook HTTP/1.0\r\n"),
            [200]
        ),
        HTTPCase(
            "100-continue where the body is not wanted",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
            [404]
        ),
        HTTPCase(
            "100-continue with too much to come",
            call("Expect: 100-continue\r\nContent-Length: 2000000\r\n", ""),
            [413],
            isFollowed: false
        ),
        HTTPCase("a request to leave HTTP", call("Connection: Upgrade\r\nUpgrade: h2c\r\n" + length), [200]),
        HTTPCase("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", [404]),
    ]

    static let framing: [HTTPCase] =
        [
            HTTPCase("a length twice", call(length + length), [400]),
            HTTPCase("two lengths", call(length + "Content-Length: 5\r\n"), [400]),
            HTTPCase("a list of lengths", call("Content-Length: 9, 9\r\n"), [400]),
            HTTPCase("a length with a sign", call("Content-Length: +9\r\n"), [400]),
            HTTPCase("a negative length", call("Content-Length: -1\r\n"), [400]),
            HTTPCase("a hexadecimal length", call("Content-Length: 0x9\r\n"), [400]),
            HTTPCase("an empty length", call("Content-Length: \r\n"), [400]),
            HTTPCase("a length of many digits", call("Content-Length: 99999999999999999999999\r\n"), [400]),
            HTTPCase("a length beyond Int", call("Content-Length: 9223372036854775808\r\n"), [413]),
            HTTPCase("a length over the limit", call("Content-Length: 1099511627776\r\n"), [413]),
            HTTPCase("a length and chunks", call(length + "Transfer-Encoding: chunked\r\n", chunks), [400]),
            HTTPCase("chunks and a length", call("Transfer-Encoding: chunked\r\n" + length, chunks), [400]),
        ]
        + [
            "chunked\r\nTransfer-Encoding: chunked", "chunked, chunked", "gzip, chunked", "chunked, gzip", "identity",
            "xchunked", "\"chunked\"", "\u{0B}chunked", "", "chunked;q=1",
        ].map { HTTPCase("the coding \($0)", call("Transfer-Encoding: \($0)\r\n", chunks), [400]) } + [
            HTTPCase(
                "chunks by HTTP/1.0",
                call("Transfer-Encoding: chunked\r\n", chunks, line: "POST /webhook HTTP/1.0\r\n"),
                [400]
            ),
            HTTPCase("junk for an extension", chunked("\(size);\0\u{01}==;;\r\n\(body)\r\n0\r\n\r\n"), [400]),
            HTTPCase("a line feed in an extension", chunked("\(size);a\nb\r\n\(body)\r\n0\r\n\r\n"), [400]),
            HTTPCase("chunks with bare line feeds", chunked(chunks.replacing("\r\n", with: "\n")), [400]),
            HTTPCase("a space after a chunk's size", chunked("\(size) \r\n\(body)\r\n0\r\n\r\n"), [400]),
            HTTPCase("a chunk's size with 0x", chunked("0x\(size)\r\n\(body)\r\n0\r\n\r\n"), [400]),
            HTTPCase("a negative chunk", chunked("-1\r\n"), [400]),
            HTTPCase("a chunk's size of many digits", chunked("fffffffffffffffff\r\n"), [400]),
            HTTPCase("a chunk longer than its size", chunked("5\r\nabcdefgh\r\n0\r\n\r\n"), [400]),
            HTTPCase("a chunk without its end", chunked("\(size)\r\n\(body)0\r\n\r\n"), [400]),
            HTTPCase("a length for a trailer", chunked("\(size)\r\n\(body)\r\n0\r\nContent-Length: 5\r\n\r\n"), [400]),
            HTTPCase(
                "a broken body after its reply",
                "GET /webhook HTTP/1.1\r\nHost: a\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                [200]
            ),
            HTTPCase(
                "a short body after its reply",
                "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
                [404],
                isFollowed: false
            ),
        ]

    static let fields: [HTTPCase] = [
        HTTPCase("bare line feeds", call(length).replacing("\r\n", with: "\n"), [400]),
        HTTPCase("a bare line feed after the first line", call(length, line: "POST /webhook HTTP/1.1\n"), [400]),
        HTTPCase("a bare line feed after a field", call("X-A: a\n" + length), [400]),
        HTTPCase("a bare carriage return in a field", call("X-A: a\rb\r\n" + length), [400]),
        HTTPCase("NUL in a value", call("X-A: a\0b\r\n" + length), [400]),
        HTTPCase("NUL in a name", call("X\0A: ab\r\n" + length), [400]),
        HTTPCase("NUL in the path", call(length, line: "POST /web\0hook HTTP/1.1\r\n"), [400]),
        HTTPCase("a space before the colon", call("X-A : a\r\n" + length), [400]),
        HTTPCase("a space before the length's colon", call("Content-Length : 9\r\n"), [400]),
        HTTPCase("a tab before the colon", call("X-A\t: a\r\n" + length), [400]),
        HTTPCase("a folded field", call("X-A: a\r\n b\r\n" + length), [400]),
        HTTPCase("a folded coding", call("Transfer-Encoding:\r\n chunked\r\n", chunks), [400]),
        HTTPCase("a field that begins with a space", call(length, line: "POST /webhook HTTP/1.1\r\n X: a\r\n"), [400]),
        HTTPCase("a field without a name", call(": a\r\n" + length), [400]),
        HTTPCase("a field without a colon", call("X-A\r\n" + length), [400]),
        HTTPCase("bytes beyond ASCII in a name", call("Xé: a\r\n" + length), [400]),
        HTTPCase("no host", "GET /webhook HTTP/1.1\r\n\r\n", [400]),
        HTTPCase("two hosts", call("Host: b\r\n" + length), [400]),
        HTTPCase("a host that is none", "GET /webhook HTTP/1.1\r\nHost: a b/c\r\n\r\n", [400]),
        HTTPCase("HTTP/0.9", "GET /webhook HTTP/0.9\r\n\r\n", [400]),
        HTTPCase("HTTP/1.2", "GET /webhook HTTP/1.2\r\nHost: a\r\n\r\n", [400]),
        HTTPCase("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        HTTPCase("a method in lower case", "get /webhook HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
        HTTPCase("TLS", [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3] + [UInt8](repeating: 97, count: 200), [400]),
        HTTPCase("all bytes", Array(0...255), [400]),
        HTTPCase("half a head", "POST /webhook HTTP/1.1\r\nHo", [408], isFollowed: false),
        HTTPCase("half a body", call("Content-Length: 999\r\n"), [408], isFollowed: false),
    ]

    private static let manyFields = (0..<10_000).map { "X-\($0): a\r\n" }.joined()
    private static let mebibyte = String(repeating: "a", count: 1 << 20)
    private static let spaces = String(repeating: " ", count: 1 << 20)

    static let sizes: [HTTPCase] = [
        HTTPCase("10,000 fields", call(manyFields + length), [431]),
        HTTPCase("10,000 trailers", chunked("\(size)\r\n\(body)\r\n0\r\n\(manyFields)\r\n"), [431]),
        HTTPCase("a value of 1 MiB", call("X-A: \(mebibyte)\r\n" + length), [431]),
        HTTPCase("a name of 1 MiB", call("\(mebibyte): a\r\n" + length), [431]),
        HTTPCase("a path of 1 MiB", call(length, line: "POST /\(mebibyte) HTTP/1.1\r\n"), [431]),
        HTTPCase("1 MiB of spaces before a value", call("X-A:\(spaces)a\r\n" + length), [431]),
        HTTPCase(
            "1 MiB of empty lines",
            String(repeating: "\r\n", count: 1 << 19) + "GET /webhook HTTP/1.1\r\nHost: a\r\n\r\n",
            [431]
        ),
        HTTPCase("a body over the limit", call("Content-Length: 2000000\r\n", mebibyte + mebibyte), [413]),
        HTTPCase("chunks over the limit", chunked("80000000\r\n" + mebibyte + mebibyte), [413]),
        HTTPCase("10 MiB of extensions", chunked("1;" + String(repeating: mebibyte, count: 10)), [413]),
    ]
}
