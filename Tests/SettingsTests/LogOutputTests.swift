import Logging
import SystemPackage
import Testing

@testable import Settings

@Suite("where log lines go")
struct LogOutputTests {
    /// A pipe, and what has been written to it so far.
    private struct Pipe: ~Copyable {
        let (reader, writer): (FileDescriptor, FileDescriptor)

        init() throws { (self.reader, self.writer) = try FileDescriptor.pipe() }

        func read(_ count: Int = 1 << 20) throws -> String {
            var bytes = [UInt8](repeating: 0, count: count)
            let length = try bytes.withUnsafeMutableBytes { try self.reader.read(into: $0) }
            return String(decoding: bytes.prefix(length), as: UTF8.self)
        }

        deinit {
            try? self.reader.close()
            try? self.writer.close()
        }
    }

    @Test(
        "a reader that stalls holds up nobody: what it has no room for is left out, and counted",
        arguments: [(8, 45_000), (9000, 450)]
    )
    func stalledReader(length: Int, count: Int) throws {
        let pipe = try Pipe()
        let output = LogOutput(pipe.writer.rawValue)
        let lines = (0..<count).map { "\($0)" + String(repeating: ".", count: length) + "\n" }
        let start = ContinuousClock.now
        for line in lines { output.write(line) { "\($0) left out\n" } }
        // With a wait for each it would be twice as long at least.
        #expect(ContinuousClock.now - start < .seconds(10))
        var read = ""
        // What is left of the line that was begun comes once it has been read.
        while true {
            read += try pipe.read()
            output.write("end\n") { "\($0) left out\n" }
            if read.hasSuffix("end\n") { break }
        }
        let parts = read.split(separator: "\n")
        let kept = parts.prefix { !$0.hasSuffix("left out") }
        #expect(kept.map { $0 + "\n" } == lines.prefix(kept.count).map { $0[...] })
        let leftOut = try #require(parts.dropFirst(kept.count).first.flatMap { Int($0.prefix { $0 != " " }) })
        #expect(kept.count > 2 && kept.count + leftOut >= lines.count)
        #expect(parts.dropFirst(kept.count + 1).allSatisfy { $0 == "end" })
    }

    @Test("where standard error is closed lines go nowhere, and each at once")
    func closed() {
        let output = LogOutput(.max)
        let start = ContinuousClock.now
        for _ in 0..<1000 { output.write("a\n") { "\($0)" } }
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("in text an event is one line, whatever it has in it")
    func oneLine() throws {
        let pipe = try Pipe()
        let logger = Logger(label: "test") { label in
            StreamLogHandler(label: label, stream: LogStream(format: .text, output: LogOutput(pipe.writer.rawValue)))
        }
        logger.info("a\nb", metadata: ["node": "\u{1B}[2J\r\n\u{0}é\u{9B}\t"])
        let line = try pipe.read()
        #expect(line.hasSuffix(#"info test: node=\u{1B}[2J\r\n\0é\u{009B}\t [SettingsTests] a\nb"# + "\n"), "\(line)")
    }

    @Test(
        "the notice of lines that were left out is a line of the log's own format",
        arguments: [LogFormat.text, .json]
    )
    func notice(format: LogFormat) throws {
        let pipe = try Pipe()
        let stream = LogStream(format: format, output: LogOutput(pipe.writer.rawValue))
        for _ in 0..<3000 { stream.write(String(repeating: "a", count: 99) + "\n") }
        var read = try pipe.read()
        stream.write("end\n")
        read += try pipe.read()
        let notice = try #require(read.split(separator: "\n").last { $0.contains("left out") })
        switch format {
        case .text: #expect(notice.contains(" warning log: lines="))
        case .json: #expect(notice.contains(#""level":"warning","label":"log","message":"lines left out of the log"#))
        }
    }
}
