import Testing

@testable import EventQueue

@Suite("The low-water mark")
struct LowWaterMarkTests {
    private let start = ContinuousClock.now

    @Test(
        "never passes what was noted less than 100 ms ago, and looks deep now and then",
        arguments: 0..<4 as Range<UInt64>
    )
    func random(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        var mark = LowWaterMark()
        var notes: [(at: ContinuousClock.Instant, place: Int64)] = []
        var now = self.start
        var place: Int64 = 0
        var lastLook = self.start
        var lastLongLook = self.start
        var lastDeepLook = self.start

        func known(_ back: Duration) -> Int64 { notes.last { $0.at <= now - back }?.place ?? 0 }
        func took() { mark.took(.milliseconds(1), at: now) }

        while now < self.start + .seconds(150) {
            now += .milliseconds(Int.random(in: 1..<120, using: &random))
            place += Int64.random(in: 0..<50, using: &random)
            notes.append((now, place))
            mark.note(emptiedBelow: place, at: now)

            let start = mark.place(at: now)
            took()
            #expect(start <= known(.milliseconds(100)))
            #expect(mark.recentPlace(at: now) <= known(.seconds(3)))
            if start <= known(.seconds(3)) { lastLook = now }
            if start <= known(.seconds(10)) { lastLongLook = now }
            if start <= known(.seconds(40)) { lastDeepLook = now }
            #expect(now - lastLook <= .milliseconds(500 + 120))
            #expect(now - lastLongLook <= .milliseconds(10_000 + 120))
            #expect(now - lastDeepLook <= .milliseconds(60_000 + 120))
        }
        #expect(notes.count > 500)
        #expect(mark.recentPlace(at: now) > 0)
    }

    @Test("begins at the very beginning")
    func beginning() {
        var mark = LowWaterMark()
        #expect(mark.place(at: self.start) == 0)
        mark.note(emptiedBelow: 100, at: self.start)
        #expect(mark.place(at: self.start + .milliseconds(99)) == 0)
    }

    @Test("most claims start where the queue had been emptied a moment ago")
    func usual() {
        var mark = LowWaterMark()
        _ = mark.place(at: self.start)
        mark.note(emptiedBelow: 100, at: self.start)
        #expect(mark.place(at: self.start + .milliseconds(110)) == 100)
        mark.note(emptiedBelow: 150, at: self.start + .milliseconds(110))
        // Too soon after the last to be kept.
        mark.note(emptiedBelow: 160, at: self.start + .milliseconds(120))
        mark.note(emptiedBelow: 200, at: self.start + .milliseconds(300))
        #expect(mark.place(at: self.start + .milliseconds(390)) == 150)
        // Half a second after the first: a look further back.
        #expect(mark.place(at: self.start + .milliseconds(510)) == 0)
        #expect(mark.place(at: self.start + .milliseconds(560)) == 200)
    }

    @Test("at rest it is asked seldom how far places have been given out, until they have been")
    func rest() {
        var mark = LowWaterMark()
        func now(_ seconds: Int) -> ContinuousClock.Instant { self.start + .seconds(seconds) }
        #expect(!mark.isAtRest(at: now(100)))
        for second in stride(from: 0, through: 39, by: 3) {
            #expect(mark.isSampleDue(at: now(second), isQuiet: true))
            mark.note(emptiedBelow: 100, at: now(second))
            #expect(!mark.isAtRest(at: now(second)))
        }
        #expect(mark.isAtRest(at: now(40)))
        #expect(!mark.isSampleDue(at: now(58), isQuiet: true))
        #expect(mark.isSampleDue(at: now(58), isQuiet: false))
        for second in [59, 79, 99, 119] {
            #expect(mark.isSampleDue(at: now(second), isQuiet: true))
            mark.note(emptiedBelow: 100, at: now(second))
            #expect(mark.isAtRest(at: now(second + 19)))
        }
        mark.note(emptiedBelow: 101, at: now(120))
        #expect(!mark.isAtRest(at: now(120)))
        #expect(mark.isSampleDue(at: now(123), isQuiet: true))
    }

    @Test("a look that took long comes again after two hundred times that")
    func slowLooks() {
        var mark = LowWaterMark()
        _ = mark.place(at: self.start)
        mark.took(.milliseconds(1), at: self.start)
        mark.note(emptiedBelow: 100, at: self.start)
        #expect(mark.place(at: self.start + .milliseconds(500)) == 0)
        mark.took(.milliseconds(10), at: self.start + .milliseconds(510))
        for milliseconds in [520, 1_100, 2_500] {
            #expect(mark.place(at: self.start + .milliseconds(milliseconds)) == 100)
            // What took long was no look.
            mark.took(.seconds(1), at: self.start + .milliseconds(milliseconds + 1))
        }
        #expect(mark.place(at: self.start + .milliseconds(2_511)) == 0)
    }
}
