import NIOCore
import Testing

@testable import LoadGenerator

@Suite("reading responses")
struct ResponseReaderTests {
    private static let samples: [(text: String, body: String, closes: Bool)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false),
        ("HTTP/1.1 200 OK\r\ncontent-length:3\r\nServer: x\r\n\r\nabc", "abc", false),
        ("HTTP/1.1 200 \r\nConnection: Close\r\nContent-Length: \t 0 \r\n\r\n", "", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a", true),
        ("HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "a", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: x\r\n\r\n", "abc",
            false
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", false),
    ]

    @Test("a response is the same however it is cut into pieces", arguments: Self.samples)
    func pieces(_ sample: (text: String, body: String, closes: Bool)) throws {
        let bytes = Array(sample.text.utf8)
        for size in 1...bytes.count {
            var reader = ResponseReader()
            var response: Response?
            for start in stride(from: 0, to: bytes.count, by: size) {
                #expect(response == nil)
                response = try reader.read(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(response.map { String(buffer: $0.body) } == sample.body)
            #expect(response?.closes == sample.closes)
        }
    }

    @Test("one response follows another")
    func keepAlive() throws {
        var reader = ResponseReader()
        for text in ["one", "three"] {
            let bytes = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
            let response = try reader.read(bytes)
            #expect(response.map { String(buffer: $0.body) } == text)
        }
    }

    @Test("a response without a length ends with its connection")
    func untilClose() throws {
        var reader = ResponseReader()
        let early = try reader.read(ByteBuffer(string: "HTTP/1.1 502 Bad Gateway\r\n\r\nsorry"))
        #expect(early == nil)
        let response = reader.finish()
        #expect(response == Response(status: 502, body: ByteBuffer(string: "sorry"), closes: true))
    }

    @Test("a response that is cut off is none")
    func cutOff() throws {
        var reader = ResponseReader()
        let early = try reader.read(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsorry"))
        #expect(early == nil)
        let response = reader.finish()
        #expect(response == nil)
    }

    @Test(
        "what is no response is refused",
        arguments: [
            "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ]
    )
    func malformed(_ text: String) {
        #expect(throws: ResponseReader.Malformed.self) {
            var reader = ResponseReader()
            _ = try reader.read(ByteBuffer(string: text))
        }
    }
}
