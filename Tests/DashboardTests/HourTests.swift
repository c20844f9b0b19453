import EventQueue
import Testing

@testable import Dashboard

@Suite("The last hour, by minute")
struct HourTests {
    private static let now: Int64 = 29_000_000 * 60_000 + 20_000
    private static let current = 29_000_000

    /// Reads what is due until nothing is; says what was read, in turn.
    private func readAll(_ hour: inout Hour, at now: Int64) -> [Range<Int>] {
        var read: [Range<Int>] = []
        while let due = hour.due(at: now) {
            read.append(due)
            hour.take([], of: due, at: now)
        }
        return read
    }

    @Test("it reads an hour once, newest first and ten minutes at a time, and then only what may have changed")
    func due() {
        var hour = Hour()
        let first = self.readAll(&hour, at: Self.now)
        #expect(first.count == 7)
        #expect(first.first == Self.current - 9..<Self.current + 1)
        #expect(first.allSatisfy { $0.count <= 10 })
        #expect(hour.minutes.count == 61)
        #expect(hour.isComplete(at: Self.now))
        #expect(hour.due(at: Self.now + 9_999) == nil)
        // The minute under way, and the one before: its calls may still be answered for 35 s.
        let latest = { (hour: inout Hour, seconds: Int64) in
            self.readAll(&hour, at: Self.now + seconds * 1000).flatMap(\.self).filter { $0 > Self.current - 5 }
        }
        #expect(latest(&hour, 10) == [Self.current - 1, Self.current])
        #expect(latest(&hour, 20) == [Self.current - 1, Self.current])
        #expect(latest(&hour, 30) == [Self.current])
    }

    @Test("each minute is read for the last time when the longest deadline has passed")
    func final() {
        var hour = Hour()
        var reads: [Int: Int64] = [:]
        for second in stride(from: 0, through: 900, by: 2) {
            let now = Self.now + Int64(second) * 1000
            for range in self.readAll(&hour, at: now) { for minute in range { reads[minute] = now } }
        }
        let end = Int64(Self.current + 1) * 60_000
        let last = reads[Self.current] ?? 0
        #expect(last >= end + 330_000 && last < end + 333_000)
        #expect(hour.minutes.count == 61)
    }

    @Test("percentiles are right to within a tenth, over minutes and nodes apart")
    func percentiles() {
        var hour = Hour()
        var counts: [MinuteCount] = []
        for milliseconds in 1...1000 {
            var bucket = -24
            while Self.lowerEnd(of: bucket + 1) <= Double(milliseconds) { bucket += 1 }
            counts.append(
                MinuteCount(
                    minute: Self.current - milliseconds % 3,
                    node: "a",
                    state: "answered",
                    bucket: bucket,
                    calls: 2,
                    sampled: false
                )
            )
        }
        counts.append(
            MinuteCount(minute: Self.current, node: "b", state: "failed", bucket: nil, calls: 5, sampled: true)
        )
        hour.take(counts, of: Self.current - 2..<Self.current + 1, at: Self.now)
        let total = hour.total
        #expect(total.states == ["answered": 2000, "failed": 5])
        #expect(total.nodes["b"] == ["failed": 5])
        #expect(total.isSampled)
        for fraction in [0.5, 0.95, 0.99] {
            let percentile = total.times["a"]?.percentile(fraction) ?? 0
            #expect(abs(percentile / (fraction * 1000) - 1) < 0.1, "\(fraction): \(percentile)")
        }
        #expect(total.times["b"] == nil)
        #expect(Hour.Times().percentile(0.5) == nil)
    }

    private static func lowerEnd(of bucket: Int) -> Double {
        (0..<abs(bucket)).reduce(1.0) { value, _ in bucket > 0 ? value * 1.0905077 : value / 1.0905077 }
    }

    @Test("the minute under way counts for as long as it had lasted when it was read, once there is enough of it")
    func underWay() {
        let start = Int64(Self.current) * 60_000
        func top(readAfter seconds: Int64, calls: Int) -> String {
            var hour = Hour()
            let count = MinuteCount(
                minute: Self.current,
                node: "a",
                state: "answered",
                bucket: 80,
                calls: calls,
                sampled: false
            )
            hour.take([count], of: Self.current..<Self.current + 1, at: start + seconds * 1000)
            let chart = CallsChart(hour, at: start + seconds * 1000 + 9000)
            return chart.bars.isEmpty ? "none" : chart.summary
        }
        #expect(top(readAfter: 11, calls: 110).contains("at most 10. "))
        #expect(top(readAfter: 41, calls: 410).contains("at most 10. "))
        #expect(top(readAfter: 1, calls: 10) == "none")
    }

    @Test("charts have a bar for each outcome and minute, lines that break where there were no calls, and words")
    func charts() {
        var hour = Hour()
        let counts = [(0, "answered", 600), (0, "failed", 6), (5, "answered", 300)].map { ago, state, calls in
            MinuteCount(
                minute: Self.current - ago,
                node: "a<b",
                state: state,
                bucket: state == "answered" ? 80 : nil,
                calls: calls,
                sampled: false
            )
        }
        hour.take(counts, of: Self.current - 60..<Self.current + 1, at: Self.now)
        let calls = CallsChart(hour, at: Self.now)
        #expect(calls.bars.map(\.outcome) == ["answered", "answered", "failed"])
        // 600 in 20 s are 30 a second, and 6 are seen though they are few.
        #expect(calls.top == "50")
        #expect(calls.bars.map(\.height) == ["10.00", "60.00", "2.00"])
        #expect(calls.summary.contains("at most 30.3"))
        #expect(calls.summary.contains("answered: 900, 99.3 %; failed: 6, 0.7 %"))
        #expect(!calls.isReading && calls.hasCalls && !calls.isSampled)
        let times = TimesChart.charts(hour, at: Self.now)
        #expect(times.map(\.node) == ["a<b"])
        #expect(times.first?.p50Path.filter { $0 == "M" }.count == 2)
        let empty = CallsChart(Hour(), at: Self.now)
        #expect(empty.isReading && !empty.hasCalls && empty.bars.isEmpty)
    }
}
