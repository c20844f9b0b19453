import TestSupport
import Testing

@testable import EventQueue

@Suite("The low-water mark")
struct LowWaterMarkTests {
    private let start = ContinuousClock.now

    /// A database as far as a mark is concerned.
    private struct Model {
        struct Event {
            let place: Int
            let committedAt: ContinuousClock.Instant
            var lockedUntil: ContinuousClock.Instant?
        }

        var places = 0
        var transactions = 100
        var underWay: [(id: Int, until: ContinuousClock.Instant)] = []
        var queued: [Event] = []

        mutating func begin(until end: ContinuousClock.Instant) -> Int {
            self.transactions += 1
            self.underWay.append((self.transactions, end))
            return self.transactions
        }

        /// Enqueues so many, committed at an instant.
        mutating func enqueue(_ count: Int, until end: ContinuousClock.Instant) {
            _ = self.begin(until: end)
            for _ in 0..<count {
                self.places += 1
                self.queued.append(Event(place: self.places, committedAt: end))
            }
        }

        func visible(at now: ContinuousClock.Instant) -> [Int] {
            self.queued.indices.filter { self.queued[$0].committedAt <= now }
        }

        func claimable(at now: ContinuousClock.Instant) -> [Int] {
            self.visible(at: now).filter { self.queued[$0].lockedUntil.map { $0 <= now } ?? true }
        }

        /// Another claimer locks some of what is there, and fails at an instant.
        mutating func lock(_ count: Int, at now: ContinuousClock.Instant, until end: ContinuousClock.Instant) {
            _ = self.begin(until: end)
            for index in self.claimable(at: now).prefix(count) { self.queued[index].lockedUntil = end }
        }

        mutating func claim(_ count: Int, from start: Int64, at now: ContinuousClock.Instant) -> LowWaterMark.Proof {
            self.underWay.removeAll { $0.until <= now }
            let own = self.begin(until: now)
            let oldest = self.underWay.map(\.id).min() ?? own
            let found = self.claimable(at: now).map { self.queued[$0].place }.filter { $0 >= start }.prefix(count)
            self.queued.removeAll { found.contains($0.place) }
            let left = self.visible(at: now).map { self.queued[$0].place }.first { $0 >= start }
            return .init(
                emptiedBelow: Int64(left ?? self.places),
                endedBelow: Int64(oldest),
                transaction: Int64(own)
            )
        }
    }

    @Test("never passes what may yet be queued, however late, and follows closely", arguments: 0..<8 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        var mark = LowWaterMark()
        var model = Model()
        var now = self.start
        var passed = 0
        var places: [(at: ContinuousClock.Instant, place: Int)] = []
        while now < self.start + .seconds(60) {
            now += .milliseconds(Int.random(in: 1..<30, using: &random))
            let takes = Duration.milliseconds(Int.random(in: 0..<20, using: &random) == 0 ? 700 : 5)
            model.enqueue(Int.random(in: 0..<5, using: &random), until: now + takes)
            if Int.random(in: 0..<10, using: &random) == 0 { model.lock(3, at: now, until: now + takes) }
            places.append((now, model.places))
            let start = mark.nextStart(at: now)
            let lost = model.queued.filter { $0.place < start }
            #expect(lost.isEmpty)
            let isProofDue = mark.isProofDue(at: now, isQuiet: false)
            let proof = model.claim(Int.random(in: 1..<12, using: &random), from: start, at: now)
            if isProofDue { mark.note(proof, from: start, at: now) }
            // What was given out 2 s ago is behind it but for what lay in the queue.
            let old = places.last { $0.at < now - .seconds(2) }?.place ?? 0
            let first = model.queued.map(\.place).min() ?? model.places
            if mark.nextStart(at: now) >= min(old, first - 20) { passed += 1 }
        }
        #expect(places.count > 1_000)
        #expect(passed == places.count)
        #expect(mark.nextStart(at: now) > 1_000)
    }

    private func proof(_ place: Int64, _ endedBelow: Int64, _ transaction: Int64) -> LowWaterMark.Proof {
        .init(emptiedBelow: place, endedBelow: endedBelow, transaction: transaction)
    }

    private func now(_ milliseconds: Int) -> ContinuousClock.Instant { self.start + .milliseconds(milliseconds) }

    @Test("follows when all have ended that were under way, by a claim from it on")
    func proves() {
        var mark = LowWaterMark()
        #expect(mark.nextStart(at: self.start) == 0)
        mark.note(self.proof(100, 9, 10), from: 0, at: self.now(0))
        // Its own transaction was under way, perhaps with others of higher ids; now it is told which can't have been.
        mark.note(self.proof(120, 11, 12), from: 0, at: self.now(30))
        #expect(mark.nextStart(at: self.now(31)) == 0)
        mark.note(self.proof(130, 11, 14), from: 0, at: self.now(60))
        #expect(mark.nextStart(at: self.now(61)) == 0)
        // From further up, so it can't know.
        mark.note(self.proof(140, 16, 16), from: 90, at: self.now(90))
        #expect(mark.nextStart(at: self.now(91)) == 0)
        // It took all that had waited up to 110 only.
        mark.note(self.proof(110, 16, 18), from: 0, at: self.now(120))
        #expect(mark.nextStart(at: self.now(121)) == 100)
        mark.note(self.proof(150, 20, 20), from: 100, at: self.now(150))
        #expect(mark.nextStart(at: self.now(151)) == 140)
    }

    @Test("somebody who writes for long holds it back for a second; then it looks back ten seconds now and then")
    func heldBack() {
        var mark = LowWaterMark()
        var place: Int64 = 0
        /// Each 20 ms, from where on, as long as a transaction with id 5 is under way.
        func starts(_ milliseconds: Range<Int>, took: Duration = .milliseconds(1), ended: Bool = false) -> [Int64] {
            stride(from: milliseconds.lowerBound, to: milliseconds.upperBound, by: 20).map { millisecond in
                let start = mark.nextStart(at: self.now(millisecond))
                place += 20
                let transaction = Int64(millisecond + 10)
                let end = self.now(millisecond)
                mark.took(took, at: end + took)
                mark.note(self.proof(place, ended ? transaction : 5, transaction), from: start, at: end)
                return start
            }
        }
        #expect(starts(0..<1_040).allSatisfy { $0 == 0 })
        // A place for each millisecond: a look from the very beginning, and then from a tenth of a second ago.
        let held = starts(1_040..<2_040)
        #expect(held.indices.filter { held[$0] == 0 } == [0, 1, 27])
        #expect(held[2] == 1_000 && held[49] == 1_940)
        let later = starts(2_040..<20_040)
        #expect(later.filter { later.contains($0 + 9_900) }.count > 10)
        // One that takes long comes less often, but comes.
        let slow = starts(20_040..<40_040, took: .milliseconds(300))
        #expect((3...5).contains(zip(slow, slow.dropFirst()).count { $0 > $1 + 5_000 }))
        // It has ended: one look from where it was, and the mark follows.
        _ = starts(40_040..<40_100, ended: true)
        #expect(mark.nextStart(at: self.now(40_100)) == 40_080)
    }

    @Test("what was emptied 40 s before is taken as proved only while somebody writes for long")
    func old() {
        var mark = LowWaterMark()
        mark.note(self.proof(100, 9, 10), from: 0, at: self.now(0))
        mark.note(self.proof(200, 9, 20), from: 0, at: self.now(20_000))
        // It was full for long.
        #expect(mark.nextStart(at: self.now(100_000)) == 0)
        mark.note(self.proof(300, 9, 30), from: 0, at: self.now(100_000))
        #expect(mark.nextStart(at: self.now(100_100)) == 200)
        #expect(mark.nextStart(at: self.now(140_100)) == 300)
    }

    @Test("what a look has seen and left is where the next begin")
    func left() {
        var mark = LowWaterMark()
        for second in 0..<20 {
            mark.note(self.proof(Int64(second * 100), 5, Int64(10 + second)), from: 0, at: self.now(second * 1_000))
        }
        #expect(mark.nextStart(at: self.now(19_200)) == 900)
        #expect(mark.isProofDue(at: self.now(19_001), isQuiet: false))
        mark.note(self.proof(1_234, 5, 50), from: 900, at: self.now(19_210))
        #expect(mark.nextStart(at: self.now(19_211)) == 1_234)
        #expect(!mark.isProofDue(at: self.now(19_211), isQuiet: false))
    }

    @Test("begins anew where places or transactions' ids are given out a second time")
    func setback() {
        for (place, transaction) in [(50, 40), (450, 15)] as [(Int64, Int64)] {
            var mark = LowWaterMark()
            mark.note(self.proof(100, 9, 10), from: 0, at: self.now(0))
            mark.note(self.proof(200, 11, 20), from: 0, at: self.now(20))
            mark.note(self.proof(300, 21, 30), from: 0, at: self.now(40))
            #expect(mark.nextStart(at: self.now(60)) == 100)
            mark.note(self.proof(place, 31, transaction), from: 100, at: self.now(60))
            #expect(mark.nextStart(at: self.now(61)) == 0)
        }
    }

    @Test("at rest it is asked seldom how far places have been given out, until they have been")
    func rest() {
        var mark = LowWaterMark()
        var places = EmptiedPlaces()
        func now(_ seconds: Int) -> ContinuousClock.Instant { self.start + .seconds(seconds) }
        func note(_ place: Int64, _ second: Int) {
            mark.note(self.proof(place, Int64(second), Int64(second + 1)), from: 0, at: now(second))
            places.note(place, at: now(second))
        }
        #expect(!places.isAtRest(at: now(100)))
        for second in stride(from: 0, through: 39, by: 3) {
            #expect(mark.isProofDue(at: now(second), isQuiet: true))
            note(100, second)
            #expect(!places.isAtRest(at: now(second)))
        }
        #expect(places.isAtRest(at: now(40)))
        #expect(!mark.isProofDue(at: now(58), isQuiet: true))
        #expect(mark.isProofDue(at: now(58), isQuiet: false))
        for second in [59, 79, 99, 119] {
            #expect(mark.isProofDue(at: now(second), isQuiet: true))
            note(100, second)
            #expect(places.isAtRest(at: now(second + 19)))
        }
        note(101, 120)
        #expect(!places.isAtRest(at: now(120)))
        #expect(mark.isProofDue(at: now(123), isQuiet: true))
    }

    @Test("where the queue had been emptied to is known for a minute", arguments: [1, 7, 500])
    func emptiedPlaces(apart: Int) {
        var places = EmptiedPlaces()
        #expect(places.place(asOf: self.start) == 0 && places.age(at: self.start) == nil)
        for millisecond in stride(from: 0, through: 70_000, by: apart) {
            places.note(Int64(millisecond), at: self.now(millisecond))
        }
        let last = 70_000 / apart * apart
        for back in [0, 1, 499, 500, 3_000, 59_000] {
            #expect(places.place(asOf: self.now(last - back)) == Int64((last - back) / apart * apart))
        }
        #expect(places.place(asOf: self.now(last - 61_000)) == 0)
        #expect(places.age(at: self.now(last + 5)) == .milliseconds(5))
    }
}
