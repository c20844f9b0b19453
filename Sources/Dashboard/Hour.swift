import EventQueue

/// The calls of the last hour by minute, kept in memory: what has come to its end is not read again.
struct Hour: Sendable {
    /// The time of answers, so that the percentiles of several minutes can be had: calls by bucket.
    struct Times: Sendable {
        private(set) var buckets: [Int: Int] = [:]
        private(set) var calls = 0

        mutating func add(_ bucket: Int, _ calls: Int) {
            self.buckets[bucket, default: 0] += calls
            self.calls += calls
        }

        mutating func add(_ other: Times) {
            for (bucket, calls) in other.buckets { self.add(bucket, calls) }
        }

        /// In milliseconds, the middle of the bucket that it is in; nil without calls.
        func percentile(_ fraction: Double) -> Double? {
            guard self.calls > 0 else { return nil }
            var left = max(1, (Double(self.calls) * fraction).rounded(.up))
            for (bucket, calls) in self.buckets.sorted(by: { $0.key < $1.key }) {
                left -= Double(calls)
                if left <= 0 { return Self.milliseconds(Double(bucket) + 0.5) }
            }
            return nil
        }

        private static func milliseconds(_ bucket: Double) -> Double {
            // 2 to the power of a multiple of 1/8, without a mathematics library.
            let whole = (bucket / 8).rounded(.down)
            let eighths = bucket - whole * 8
            let roots: [Double] = [1, 1.090508, 1.189207, 1.296840, 1.414214, 1.542211, 1.681793, 1.834008, 2]
            let index = Int(eighths)
            let power = roots[index] + (roots[index + 1] - roots[index]) * (eighths - Double(index))
            return power * Double(sign: .plus, exponent: Int(whole), significand: 1)
        }
    }

    struct Minute: Sendable {
        /// Calls by state.
        var states: [String: Int] = [:]
        /// Calls by node and state.
        var nodes: [String: [String: Int]] = [:]
        var times: [String: Times] = [:]
        var isSampled = false
        /// When it was read, in milliseconds since 1970 by the database's clock.
        var readAt: Int64

        var calls: Int { self.states.values.reduce(0, +) }
    }

    static let length = 60

    /// By their number since 1970.
    private(set) var minutes: [Int: Minute] = [:]

    /// The minutes to read next, newest first and few at once; nil where all is known.
    ///
    /// A minute is read when it is new, every 10 s while its calls come to their ends, and then when the last of them
    /// must have: 35 s later by the default deadline, 330 s later by the longest.
    func due(at now: Int64) -> Range<Int>? {
        let current = Int(now / 60_000)
        var newest: Int?
        var oldest = current
        for minute in stride(from: current, through: current - Self.length, by: -1) {
            let isDue = self.isDue(minute, now)
            guard let first = newest else {
                if isDue { (newest, oldest) = (minute, minute) }
                continue
            }
            guard isDue, first - minute < 10 else { break }
            oldest = minute
        }
        return newest.map { oldest..<$0 + 1 }
    }

    private func isDue(_ minute: Int, _ now: Int64) -> Bool {
        guard let read = self.minutes[minute]?.readAt else { return true }
        let end = Int64(minute + 1) * 60_000
        if now - read >= 10_000, now < end + 35_000 { return true }
        return [35_000, 330_000].contains { read < end + $0 && now >= end + $0 }
    }

    /// Takes what was read of these minutes.
    mutating func take(_ counts: [MinuteCount], of minutes: Range<Int>, at now: Int64) {
        for minute in minutes { self.minutes[minute] = Minute(readAt: now) }
        for count in counts where minutes.contains(count.minute) {
            self.minutes[count.minute, default: Minute(readAt: now)].add(count)
        }
        let first = Int(now / 60_000) - Self.length
        self.minutes = self.minutes.filter { $0.key >= first }
    }

    /// Whether all of it has been read.
    func isComplete(at now: Int64) -> Bool {
        let current = Int(now / 60_000)
        return (current - Self.length..<current).allSatisfy { self.minutes[$0] != nil }
    }

    /// All its calls as one.
    var total: Minute {
        self.minutes.values.reduce(into: Minute(readAt: 0)) { $0.add($1) }
    }
}

extension Hour.Minute {
    fileprivate mutating func add(_ count: MinuteCount) {
        self.states[count.state, default: 0] += count.calls
        self.nodes[count.node, default: [:]][count.state, default: 0] += count.calls
        if let bucket = count.bucket { self.times[count.node, default: Hour.Times()].add(bucket, count.calls) }
        self.isSampled = self.isSampled || count.sampled
    }

    fileprivate mutating func add(_ other: Self) {
        self.states.merge(other.states, uniquingKeysWith: +)
        self.nodes.merge(other.nodes) { $0.merging($1, uniquingKeysWith: +) }
        for (node, times) in other.times { self.times[node, default: Hour.Times()].add(times) }
        self.isSampled = self.isSampled || other.isSampled
    }
}
