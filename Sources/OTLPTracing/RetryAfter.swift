#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The field `Retry-After` of a response (RFC 9110, 10.2.3).
enum RetryAfter {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// How long to wait from now, in seconds since 1970; nil where the value is neither a number of seconds nor a date.
    static func duration(_ value: String, at now: time_t = time(nil)) -> Duration? {
        if let seconds = Int(value) { return Duration.seconds(max(0, seconds)) }
        return self.date(value).map { Duration.seconds(max(0, $0 - now)) }
    }

    /// In any of the forms of RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, and the two that are obsolete.
    private static func date(_ text: String) -> time_t? {
        var parts = text.split { " ,-".contains($0) }
        // `Sun Nov  6 08:49:37 1994`
        if parts.count == 5 { parts = [parts[0], parts[2], parts[1], parts[4], parts[3]] }
        guard parts.count >= 5,
            let day = Int32(parts[1]), let month = Self.months.firstIndex(of: String(parts[2])),
            let year = Int32(parts[3])
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Int32($0) }
        guard clock.count == 3 else { return nil }
        var date = tm()
        // `Sunday, 06-Nov-94 08:49:37 GMT`
        date.tm_year = year < 70 ? year + 100 : year < 100 ? year : year - 1900
        date.tm_mon = Int32(month)
        date.tm_mday = day
        (date.tm_hour, date.tm_min, date.tm_sec) = (clock[0], clock[1], clock[2])
        return timegm(&date)
    }
}
