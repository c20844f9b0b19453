package import Logging

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Writes each line as one JSON object: `timestamp`, `level`, `label`, `message`, and the metadata beside them.
///
/// Metadata under one of the four names is written with `metadata.` before its name.
package struct JSONLogHandler: LogHandler {
    package var logLevel = Logger.Level.info
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let stream: any TextOutputStream & Sendable

    /// - Parameters:
    ///   - label: the program's part that logs.
    ///   - stream: takes each line, with its newline, at once.
    init(label: String, stream: any TextOutputStream & Sendable) {
        self.label = label
        self.stream = stream
    }

    package subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var metadata = self.metadata
        if let provided = self.metadataProvider?.get() { metadata.merge(provided) { $1 } }
        if let given = event.metadata { metadata.merge(given) { $1 } }
        if let error = event.error, metadata["error"] == nil { metadata["error"] = "\(error)" }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var stream = self.stream
        stream.write(self.line(event.level, "\(event.message)", metadata, at: now))
    }

    func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, at time: timespec) -> String {
        var line = "{\"timestamp\":\"\(Self.timestamp(time))\",\"level\":\"\(level.rawValue)\",\"label\":"
        Self.append(self.label, to: &line)
        line += ",\"message\":"
        Self.append(message, to: &line)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += ","
            Self.append(Self.ownKeys.contains(key) ? "metadata." + key : key, to: &line)
            line += ":"
            Self.append(value, to: &line)
        }
        return line + "}\n"
    }

    private static let ownKeys: Set<String> = ["timestamp", "level", "label", "message"]

    /// RFC 3339, in UTC, with milliseconds.
    static func timestamp(_ time: timespec) -> String {
        var seconds = time.tv_sec
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let numbers = [
            Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min),
            Int(parts.tm_sec), Int(time.tv_nsec) / 1_000_000,
        ]
        var text = ""
        for (number, (width, end)) in zip(
            numbers,
            [(4, "-"), (2, "-"), (2, "T"), (2, ":"), (2, ":"), (2, "."), (3, "Z")]
        ) {
            let digits = "\(number)"
            text += String(repeating: "0", count: max(0, width - digits.count)) + digits + end
        }
        return text
    }

    private static func append(_ value: Logger.MetadataValue, to line: inout String) {
        switch value {
        case .string(let text): self.append(text, to: &line)
        case .stringConvertible(let number as any BinaryInteger): line += "\(number)"
        case .stringConvertible(let number as Double) where number.isFinite: line += "\(number)"
        case .stringConvertible(let flag as Bool): line += "\(flag)"
        case .stringConvertible(let other): self.append("\(other)", to: &line)
        case .array(let values):
            line += "["
            for (index, value) in values.enumerated() {
                if index > 0 { line += "," }
                self.append(value, to: &line)
            }
            line += "]"
        case .dictionary(let values):
            line += "{"
            for (index, (key, value)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line += "," }
                self.append(key, to: &line)
                line += ":"
                self.append(value, to: &line)
            }
            line += "}"
        }
    }

    private static func append(_ text: String, to line: inout String) {
        line += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": line += #"\""#
            case "\\": line += #"\\"#
            case "\n": line += #"\n"#
            case "\r": line += #"\r"#
            case "\t": line += #"\t"#
            case "\0"..<" ":
                let digits = String(scalar.value, radix: 16)
                line += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: line.unicodeScalars.append(scalar)
            }
        }
        line += "\""
    }
}
