import Logging

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A log's lines on their way out, to standard error unless given.
struct LogStream: TextOutputStream, Sendable {
    let format: LogFormat
    var output = LogOutput.standardError

    func write(_ line: String) {
        self.output.write(self.format == .text ? Self.escaped(line) : line) { leftOut in
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            return self.notice(leftOut, at: now)
        }
    }

    private func notice(_ leftOut: Int, at time: timespec) -> String {
        let message = "lines left out of the log, which nobody read"
        switch self.format {
        case .text:
            return "\(JSONLogHandler.timestamp(time)) warning log: lines=\(leftOut) [Settings] \(message)\n"
        case .json:
            let handler = JSONLogHandler(label: "log", stream: self)
            return handler.line(.warning, message, ["lines": .stringConvertible(leftOut)], at: time)
        }
    }

    /// Control characters as Swift writes them, but for the newline at the end: a node's name, which a stranger may have chosen,
    /// makes no line of its own, and does nothing to a terminal.
    static func escaped(_ line: String) -> String {
        let scalars = line.unicodeScalars.dropLast()
        guard scalars.contains(where: { $0.properties.generalCategory == .control }) else { return line }
        return scalars.map { scalar in
            scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
        }.joined() + "\n"
    }
}
