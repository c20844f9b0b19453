import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The id of an event: a UUIDv7 (RFC 9562, 5.7), made by the ingress before it enqueues.
///
/// Also the handler's idempotency key: all attempts at one event have the same id.
public struct EventID: Sendable, Hashable, LosslessStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new id: 48 bits of milliseconds, 12 bits of the fraction of a millisecond (RFC 9562, 6.2, method 3), the rest
    /// at random.
    public init() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let milliseconds = UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
        let fraction = (UInt64(now.tv_nsec) % 1_000_000) * 4096 / 1_000_000
        self.high = milliseconds << 16 | 0x7000 | fraction
        self.low = UInt64.random(in: 0...UInt64.max) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    /// Reads the form with four hyphens, in lower or upper case; nil for anything else.
    public init?(_ description: some StringProtocol) {
        var halves: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for (position, character) in description.utf8.enumerated() {
            if [8, 13, 18, 23].contains(position) {
                guard character == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard digits < 32, let digit = Character(UnicodeScalar(character)).hexDigitValue else { return nil }
            if digits < 16 {
                halves.0 = halves.0 << 4 | UInt64(digit)
            } else {
                halves.1 = halves.1 << 4 | UInt64(digit)
            }
            digits += 1
        }
        guard digits == 32 else { return nil }
        (self.high, self.low) = halves
    }

    /// Reads the form with four hyphens.
    public init?(_ description: String) {
        self.init(description[...])
    }

    /// The form with four hyphens, in lower case.
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for index in 0..<32 {
                if [8, 12, 16, 20].contains(index) {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                let half = index < 16 ? self.high : self.low
                buffer[position] = digits[Int(half >> UInt64(60 - 4 * (index % 16)) & 0xF)]
                position += 1
            }
            return position
        }
    }
}
