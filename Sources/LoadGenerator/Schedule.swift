/// When the calls of an open loop are due: one after the other, at a constant rate.
///
/// Times are nanoseconds from the load's beginning.
struct Schedule: Sendable {
    private let rate: Double
    private let end: UInt64
    private var index = 0

    init(rate: Double, end: UInt64) {
        precondition(rate > 0, "a rate is more than nothing")
        self.rate = rate
        self.end = end
    }

    /// When the next call is due; nil after the last.
    var next: UInt64? {
        let due = UInt64(Double(self.index) * 1e9 / self.rate)
        return due < self.end ? due : nil
    }

    /// Takes the next call, if it is due by now.
    mutating func take(by now: UInt64) -> UInt64? {
        guard let due = self.next, due <= now else { return nil }
        self.index += 1
        return due
    }
}
