import Logging
import Synchronization
import Testing

@testable import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("the log as JSON")
struct JSONLogTests {
    /// What is written to it.
    private final class Lines: TextOutputStream, Sendable {
        let written = Mutex<[String]>([])

        func write(_ line: String) { self.written.withLock { $0.append(line) } }
    }

    private func time(_ seconds: Int, _ nanoseconds: Int) -> timespec {
        timespec(tv_sec: seconds, tv_nsec: nanoseconds)
    }

    @Test("a line has timestamp, level, label and message, then the metadata by name")
    func line() {
        let metadata: Logger.Metadata = [
            "status": .stringConvertible(200), "ratio": .stringConvertible(0.5), "is": .stringConvertible(true),
            "event.id": "e", "list": ["a", "b"], "map": ["k": "v"], "level": "mine",
        ]
        let line = JSONLogHandler(label: "ingress", stream: Lines()).line(
            .info,
            "call",
            metadata,
            at: self.time(1_795_424_400, 7_999_999)
        )
        let expected = #"""
            {"timestamp":"2026-11-23T09:00:00.007Z","level":"info","label":"ingress","message":"call",\#
            "event.id":"e","is":true,"metadata.level":"mine","list":["a","b"],"map":{"k":"v"},"ratio":0.5,"status":200}

            """#
        #expect(line == expected)
    }

    @Test(
        "any text comes back as it was",
        arguments: ["", "\"", "\\", "a\nb\r\tc", "\u{0}\u{1F}\u{7F}", "é😀\u{2028}", "\r\n", "{\"a\":1}"]
    )
    func escaping(_ text: String) throws {
        let handler = JSONLogHandler(label: text, stream: Lines())
        let line = handler.line(.error, text, [text: .string(text)], at: self.time(0, 0))
        #expect(line.utf8.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        let read = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
        #expect(read["timestamp"] == "1970-01-01T00:00:00.000Z")
        #expect(read["level"] == "error")
        #expect(read["label"] == text)
        #expect(read["message"] == text)
        #expect(read[text] == text)
    }

    @Test("a logger writes each line at once, with the metadata of logger and line")
    func logger() throws {
        let stream = Lines()
        var logger = Logger(label: "test") { JSONLogHandler(label: $0, stream: stream) }
        logger[metadataKey: "a"] = "1"
        logger.debug("not this")
        logger.warning("this", metadata: ["b": "2"])
        let lines = stream.written.withLock { $0 }
        #expect(lines.count == 1)
        let read = try JSONDecoder().decode([String: String].self, from: Data((lines.first ?? "").utf8))
        #expect(read["message"] == "this" && read["a"] == "1" && read["b"] == "2" && read["level"] == "warning")
    }
}
