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
public struct EventID: Sendable, Hashable, Comparable, LosslessStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// As the database orders them, which is by their age.
    public static func < (left: EventID, right: EventID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
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
        self.init(utf8: description.utf8)
    }

    /// Reads the same from bytes.
    init?(utf8 text: some Collection<UInt8>) {
        var (high, low, length) = (UInt64(0), UInt64(0), 0)
        for byte in text {
            let digit: UInt8
            switch (length, byte) {
            case (8, UInt8(ascii: "-")), (13, UInt8(ascii: "-")), (18, UInt8(ascii: "-")), (23, UInt8(ascii: "-")):
                length += 1
                continue
            case (8, _), (13, _), (18, _), (23, _), (36..., _): return nil
            case (_, UInt8(ascii: "0")...UInt8(ascii: "9")): digit = byte - UInt8(ascii: "0")
            case (_, UInt8(ascii: "a")...UInt8(ascii: "f")): digit = byte - UInt8(ascii: "a") + 10
            case (_, UInt8(ascii: "A")...UInt8(ascii: "F")): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            (high, low) = (high << 4 | low >> 60, low << 4 | UInt64(digit))
            length += 1
        }
        guard length == 36 else { return nil }
        (self.high, self.low) = (high, low)
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
