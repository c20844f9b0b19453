/// Which span of which trace, as it goes from process to process: W3C Trace Context, version 00.
package struct Traceparent: Sendable, Hashable, CustomStringConvertible {
    package let trace: (high: UInt64, low: UInt64)
    package let span: UInt64
    package let isSampled: Bool

    package init(trace: (high: UInt64, low: UInt64), span: UInt64, isSampled: Bool) {
        self.trace = trace
        self.span = span
        self.isSampled = isSampled
    }

    /// Reads `00-<32 hex digits>-<16>-<2>`, neither id zero; nil where it is anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [2, 32, 16, 2], parts[0] == "00" else { return nil }
        guard
            let high = Self.number(parts[1].utf8.prefix(16)), let low = Self.number(parts[1].utf8.suffix(16)),
            let span = Self.number(parts[2].utf8[...]), let flags = Self.number(parts[3].utf8[...]),
            high | low != 0, span != 0
        else { return nil }
        self.init(trace: (high, low), span: span, isSampled: flags & 1 == 1)
    }

    package var description: String { "00-\(self.traceID)-\(self.spanID)-0\(self.isSampled ? 1 : 0)" }

    /// 32 hex digits.
    package var traceID: String { Self.hex(self.trace.high) + Self.hex(self.trace.low) }

    /// 16 hex digits.
    package var spanID: String { Self.hex(self.span) }

    package static func == (one: Traceparent, other: Traceparent) -> Bool {
        one.trace == other.trace && one.span == other.span && one.isSampled == other.isSampled
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.trace.high)
        hasher.combine(self.trace.low)
        hasher.combine(self.span)
    }

    /// Lowercase digits only: the specification knows no others.
    private static func number(_ digits: Substring.UTF8View.SubSequence) -> UInt64? {
        digits.reduce(UInt64?.some(0)) { number, digit in
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x61...0x66: value = digit - 0x61 + 10
            default: return nil
            }
            return number.map { $0 << 4 | UInt64(value) }
        }
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
