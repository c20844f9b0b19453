#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A time of day that people read: milliseconds since 1970, shown as UTC.
struct WallTime: Sendable {
    let milliseconds: Int64

    init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    static var now: WallTime {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return WallTime(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
    }

    /// `14:03:11`.
    var clock: String {
        let seconds = self.milliseconds / 1000 % 86_400
        return [seconds / 3600, seconds / 60 % 60, seconds % 60].map(Self.twoDigits).joined(separator: ":")
    }

    /// `2026-11-23T14:03:11Z`, for a machine.
    var iso: String {
        var time = time_t(self.milliseconds / 1000)
        var parts = tm()
        gmtime_r(&time, &parts)
        let date = [Int64(parts.tm_mon) + 1, Int64(parts.tm_mday)].map(Self.twoDigits).joined(separator: "-")
        return "\(parts.tm_year + 1900)-\(date)T\(self.clock)Z"
    }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
