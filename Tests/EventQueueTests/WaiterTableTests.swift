import Testing

@testable import EventQueue

@Suite("The table of waiting callers")
struct WaiterTableTests {
    private static let start = ContinuousClock.now

    private func event(bytes: Int = 10) -> NewEvent {
        NewEvent(
            endpoint: "/webhook",
            node: "node",
            payload: Array(repeating: UInt8(ascii: "1"), count: bytes),
            deadline: Self.start + .seconds(29)
        )
    }

    @Test("of many that wait, a part is asked for again each time, and all of them in the end")
    func manyRefetched() {
        var table = WaiterTable<Int>()
        for _ in 0..<2000 { table.enter(self.event(), at: Self.start, waiter: 0) }
        while !table.nextTrip().isEmpty {}
        var asked: Set<EventID> = []
        for _ in 0...(2000 / WaiterTable<Int>.mostRefetched) {
            table.refetch(waitingSince: Self.start + .seconds(1))
            // Not asked for twice while that is on its way.
            table.refetch(waitingSince: Self.start + .seconds(1))
            let ids = table.nextTrip().results
            #expect(ids.count < 2 * WaiterTable<Int>.mostRefetched)
            #expect(asked.isDisjoint(with: ids))
            asked.formUnion(ids)
        }
        #expect(asked.count == 2000)
    }

    @Test("beyond the limit of bytes, nodes that hold few are let in, up to a quarter more")
    func roomForBytes() {
        var table = WaiterTable<Int>()
        func enters(_ node: String, _ count: Int) -> Bool {
            guard table.hasRoom(forBytes: count, of: node, limit: 100) else { return false }
            let payload = [UInt8](repeating: 0x31, count: count)
            let event = NewEvent(endpoint: "/w", node: node, payload: payload, deadline: Self.start + .seconds(29))
            table.enter(event, at: Self.start, waiter: 0)
            return true
        }
        #expect((0..<4).map { _ in enters("hog", 30) } == [true, true, true, false])
        #expect(enters("small", 20) && !enters("small", 6) && enters("small", 5))
        #expect(!enters("other", 20) && enters("other", 10) && !enters("third", 1))
        for id in table.entries.keys { _ = table.leave(id) }
        #expect(enters("hog", 100) && !enters("hog", 1) && enters("small", 25))
    }

    @Test("one that was given up as dead asks for all that it waits for, at once")
    func takenBack() {
        var table = WaiterTable<Int>()
        let events = (0..<1200).map { _ in NewEvent.sample() }
        for event in events { table.enter(event, at: Self.start, waiter: 0) }
        while !table.nextTrip().enqueue.isEmpty {}
        table.takenBack()
        var asked: [EventID] = []
        while case let trip = table.nextTrip(), !trip.isEmpty { asked += trip.results }
        #expect(Set(asked) == Set(events.map(\.id)) && asked.count == 1200)
    }

    @Test("beyond the limit, nodes that have few waiting are let in, up to a quarter more")
    func room() {
        var table = WaiterTable<Int>()
        func event(_ node: String) -> NewEvent {
            NewEvent(endpoint: "/webhook", node: node, payload: [], deadline: Self.start + .seconds(29))
        }
        func fill(_ node: String, limit: Int) -> [EventID] {
            var ids: [EventID] = []
            while table.hasRoom(for: node, limit: limit) {
                let event = event(node)
                table.enter(event, at: Self.start, waiter: 0)
                ids.append(event.id)
            }
            return ids
        }
        let hogs = fill("hog", limit: 100)
        #expect(hogs.count == 100)
        #expect(fill("quiet", limit: 100).count == 25)
        #expect(!table.hasRoom(for: "other", limit: 100))
        for id in hogs.prefix(30) { _ = table.leave(id) }
        #expect(fill("other", limit: 100).count == 25)
        #expect(fill("hog", limit: 100).isEmpty)
        // Nothing is left of nodes that nobody waits for.
        for id in table.entries.keys { _ = table.leave(id) }
        #expect(fill("hog", limit: 100).count == 100)
    }

    @Test("each waiter leaves exactly once, whatever the order of events", arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SeededGenerator(seed)
        var table = WaiterTable<Int>()
        var waiting: [(event: NewEvent, waiter: Int)] = []
        var left: [Int: Int] = [:]
        var abandoned: [EventID] = []
        var told: [EventID] = []

        func leave(at index: Int, as reason: Abandonment?) {
            let (event, waiter) = waiting.remove(at: index)
            #expect(table.leave(event.id, abandoningAs: reason) == waiter)
            #expect(table.leave(event.id, abandoningAs: reason) == nil)
            left[waiter, default: 0] += 1
            if reason != nil { abandoned.append(event.id) }
        }

        for step in 0..<300 {
            switch Int.random(in: 0..<7, using: &random) {
            case 0, 1:
                let event = self.event(bytes: Int.random(in: 0..<100, using: &random))
                table.enter(event, at: Self.start + .milliseconds(step), waiter: step)
                waiting.append((event, step))
            case 2:
                guard let index = waiting.indices.randomElement(using: &random) else { break }
                leave(at: index, as: Bool.random(using: &random) ? .hungUp : nil)
            case 3:
                table.finished(waiting.map(\.event.id).shuffled(using: &random).prefix(3) + [EventID()])
            case 4:
                table.reconcile()
            case 5:
                table.refetch(waitingSince: Self.start + .milliseconds(step / 2))
            default:
                let trip = table.nextTrip()
                let ids = Set(waiting.map(\.event.id))
                #expect(trip.enqueue.allSatisfy { ids.contains($0.id) }, "enqueues for nobody")
                #expect(trip.results.allSatisfy(ids.contains), "asks for nobody")
                if Bool.random(using: &random) {
                    table.returned(trip)
                } else {
                    told += trip.abandon.map(\.id)
                }
            }
            #expect(table.bytes == waiting.reduce(0) { $0 + $1.event.payload.count })
            #expect(Set(table.entries.keys) == Set(waiting.map(\.event.id)))
        }
        while !waiting.isEmpty { leave(at: 0, as: nil) }
        told += table.nextTrip().abandon.map(\.id)

        #expect(table.bytes == 0)
        #expect(table.entries.isEmpty)
        #expect(left.values.allSatisfy { $0 == 1 })
        #expect(told == abandoned, "each abandoned event is told once, in order, however often trips fail")
    }

    @Test("what enters is enqueued once, in order")
    func enqueue() {
        var table = WaiterTable<Int>()
        let events = (0..<5).map { _ in self.event() }
        for (index, event) in events.enumerated() { table.enter(event, at: Self.start, waiter: index) }
        #expect(table.nextTrip().enqueue.map(\.id) == events.map(\.id))
        #expect(table.nextTrip().isEmpty)
    }

    @Test("reconciling enqueues and asks for all that wait, in the order of their arrival")
    func reconcile() {
        var table = WaiterTable<Int>()
        let events = (0..<20).map { _ in self.event() }
        for (index, event) in events.enumerated() {
            table.enter(event, at: Self.start + .milliseconds(index), waiter: index)
        }
        _ = table.nextTrip()
        _ = table.leave(events[3].id)
        _ = table.leave(events[7].id, abandoningAs: .expired)
        table.reconcile()
        let trip = table.nextTrip()
        let expected = events.indices.filter { $0 != 3 && $0 != 7 }.map { events[$0].id }
        #expect(trip.enqueue.map(\.id) == expected)
        #expect(trip.results == expected)
        #expect(trip.abandon.map(\.id) == [events[7].id])
        #expect(trip.abandon.map(\.as) == [.expired])
    }

    @Test("what was cancelled while nobody looked after it is queued again, as long as somebody waits for it")
    func revival() {
        var table = WaiterTable<Int>()
        let events = [self.event(), self.event()]
        for event in events { table.enter(event, at: Self.start, waiter: 0) }
        _ = table.nextTrip()
        for event in events { table.cancelled(event.id) }
        table.cancelled(EventID())
        _ = table.leave(events[1].id)
        #expect(table.nextTrip().revive == [events[0].id])
        #expect(table.nextTrip().isEmpty)
    }

    @Test("a notification for somebody else is ignored")
    func foreign() {
        var table = WaiterTable<Int>()
        table.finished([EventID(), EventID()])
        #expect(table.nextTrip().isEmpty)
    }

    @Test("only those that have waited long are asked for again")
    func refetch() {
        var table = WaiterTable<Int>()
        let events = [self.event(), self.event()]
        table.enter(events[0], at: Self.start, waiter: 0)
        table.enter(events[1], at: Self.start + .seconds(2), waiter: 1)
        _ = table.nextTrip()
        table.refetch(waitingSince: Self.start + .seconds(1))
        #expect(table.nextTrip().results == [events[0].id])
    }

    @Test("a batch is bounded by events")
    func mostEvents() {
        var table = WaiterTable<Int>()
        for index in 0..<(WaiterTable<Int>.mostEvents * 2 + 1) {
            table.enter(self.event(), at: Self.start, waiter: index)
        }
        table.reconcile()
        let trips = (0..<4).map { _ in table.nextTrip() }
        #expect(trips.map(\.enqueue.count) == [500, 500, 1, 0])
        #expect(trips.map(\.results.count) == [500, 500, 1, 0])
    }

    @Test("a batch is bounded by bytes, but always makes progress")
    func mostBytes() {
        var table = WaiterTable<Int>()
        let size = WaiterTable<Int>.mostBytes / 2 + 1
        for index in 0..<3 { table.enter(self.event(bytes: size), at: Self.start, waiter: index) }
        table.enter(self.event(bytes: WaiterTable<Int>.mostBytes * 2), at: Self.start, waiter: 3)
        #expect((0..<4).map { _ in table.nextTrip().enqueue.count } == [2, 2, 0, 0])
    }
}
