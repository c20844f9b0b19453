import Testing

@testable import EventQueue

@Suite("What a worker holds and has to tell")
struct WorkerTableTests {
    private func table(slots: Int = 10_000, lanes: Int = 1) -> WorkerTable {
        let lane = LaneOptions(nodes: ["node"], slots: slots, maxAttempts: 3, atMostOnce: false)
        return WorkerTable(lanes: Array(repeating: lane, count: lanes))
    }

    @Test(
        "an outcome is kept until it was taken, in order, however often trips fail",
        arguments: 0..<20 as Range<UInt64>
    )
    func random(seed: UInt64) {
        var random = SeededGenerator(seed)
        var table = self.table()
        var held: [Claim] = []
        var finished: [EventID] = []
        var taken: [EventID] = []
        for step in 0..<500 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                let claims = (0..<Int.random(in: 0..<4, using: &random)).map {
                    Claim.sample(place: Int64(step * 10 + $0))
                }
                table.claimed(claims, lane: 0)
                held += claims
            case 1:
                guard let index = held.indices.randomElement(using: &random) else { break }
                let claim = held.remove(at: index)
                #expect(table.knows(claim.id, place: claim.place))
                #expect(!table.knows(claim.id, place: claim.place + 1))
                table.finished(claim, .answered([]))
                table.finished(claim, .failed(code: "twice", error: ""))
                #expect(table.knows(claim.id, place: claim.place))
                finished.append(claim.id)
            case 2:
                guard let index = held.indices.randomElement(using: &random) else { break }
                let claim = held.remove(at: index)
                table.finished(claim, nil)
                #expect(!table.knows(claim.id, place: claim.place))
            default:
                let trip = table.nextTrip()
                if Bool.random(using: &random) {
                    table.returned(trip)
                    #expect(trip.outcomes.allSatisfy { table.knows($0.claim.id, place: $0.claim.place) })
                } else {
                    #expect(trip.outcomes.allSatisfy { $0.outcome == .answered([]) })
                    taken += trip.outcomes.map(\.claim.id)
                }
            }
        }
        for claim in held { table.finished(claim, .answered([])) }
        #expect(held.isEmpty || !table.isIdle)
        taken += table.nextTrip().outcomes.map(\.claim.id)
        #expect(taken == finished + held.map(\.id))
        #expect(table.isIdle)
    }

    @Test("a lane that a limit held back looks again when it is time to, and when something has ended here")
    func heldBack() {
        var table = self.table(slots: 4, lanes: 2)
        let claim = Claim.sample(place: 1)
        var claims = [claim]
        /// Until all sleep: the lanes that looked.
        func looks() -> [Int] {
            var lanes: [Int] = []
            while case let steps = table.nextTrip().steps, !steps.isEmpty {
                for (lane, step) in steps where step.claim > 0 {
                    lanes.append(lane)
                    table.claimed(claims, lane: lane)
                    claims = []
                }
            }
            return lanes
        }
        _ = looks()
        let now = ContinuousClock.now
        let isNews = [5, 5, 9, 4].map { table.heldBack(lane: 0, until: now + .seconds($0)) }
        #expect(isNews == [true, false, false, true])
        #expect(looks() == [])
        table.lookAgain(lane: 0, at: now + .seconds(4))
        #expect(looks() == [0])
        // What had been planned before that is over.
        let isNewsOfLater = table.heldBack(lane: 0, until: now + .seconds(9))
        #expect(isNewsOfLater)
        table.lookAgain(lane: 0, at: now + .seconds(5))
        #expect(looks() == [])
        table.lookAgain(lane: 0, at: now + .seconds(9))
        #expect(looks() == [0])

        let isNewsAgain = table.heldBack(lane: 0, until: now + .seconds(12))
        #expect(isNewsAgain)
        table.finished(claim, .answered([]))
        let trip = table.nextTrip()
        #expect(trip.outcomes.count == 1 && trip.steps.map(\.lane) == [0])
        #expect(looks() == [])
    }

    @Test("an outcome for an older claim of the same event is ignored")
    func olderClaim() {
        var table = self.table()
        let first = Claim.sample(place: 1)
        let second = Claim.sample(id: first.id, place: 2)
        table.claimed([first], lane: 0)
        table.claimed([second], lane: 0)
        table.finished(first, .answered([]))
        #expect(table.nextTrip().outcomes.isEmpty)
        table.finished(second, .answered([]))
        #expect(table.nextTrip().outcomes.map(\.claim.place) == [2])
    }

    @Test("what is late is forgotten where it can't be told, and nothing else")
    func overdue() {
        var table = self.table()
        let now = ContinuousClock.now
        let late = (1...3).map { Claim.sample(place: $0, deadline: now) }
        let early = Claim.sample(place: 4, deadline: now + .seconds(1))
        table.claimed([late[0], late[1], early], lane: 0)
        table.finished(late[0], .expired)
        table.finished(early, .answered([]))
        table.granted(late[2])
        table.forget(overdueAt: now)
        #expect(table.nextTrip().outcomes.map(\.claim.place) == [4])
        #expect(table.takeGranted().isEmpty)
        #expect(!table.isIdle, "one is held yet")
        table.finished(late[1], .expired)
        table.forget(overdueAt: now)
        #expect(table.isIdle)
    }

    @Test("a trip carries a bounded number of outcomes")
    func bound() {
        var table = self.table()
        let claims = (0..<(WorkerTable.mostOutcomes + 1)).map { Claim.sample(place: Int64($0)) }
        table.claimed(claims, lane: 0)
        for claim in claims { table.finished(claim, .answered([])) }
        #expect(table.nextTrip().outcomes.count == WorkerTable.mostOutcomes)
        #expect(!table.isIdle)
        #expect(table.nextTrip().outcomes.count == 1)
        #expect(table.isIdle)
    }

    @Test("only the lane that was called looks again, a call to nobody in particular reaches all")
    func calls() {
        var table = self.table(lanes: 2)
        for _ in 0..<2 {
            #expect(table.nextTrip().steps.map(\.lane) == [0, 1])
            for lane in 0..<2 { table.claimed([], lane: lane) }
        }
        #expect(table.nextTrip().isEmpty)
        table.woken(lane: 1)
        #expect(table.nextTrip().steps.map(\.lane) == [1])
        for _ in 0..<2 {
            table.claimed([], lane: 1)
            _ = table.nextTrip()
        }
        table.woken()
        #expect(table.nextTrip().steps.map(\.lane) == [0, 1])
    }

    @Test("what goes back to the queue makes its own worker look again: the database doesn't call a lane of the caller")
    func ownRetry() {
        var table = self.table(slots: 2)
        let claim = Claim.sample(place: 1)
        _ = table.nextTrip()
        table.claimed([claim], lane: 0)
        for _ in 0..<2 {
            _ = table.nextTrip()
            table.claimed([], lane: 0)
        }
        #expect(table.nextTrip().isEmpty)
        table.finished(claim, .retry(code: "again", error: ""))
        table.lanes[0].slotFreed()
        let trip = table.nextTrip()
        #expect(trip.outcomes.count == 1)
        #expect(trip.steps.map(\.step) == [LaneMachine.Step(claim: 2)])
    }

    @Test(
        "what was claimed for a lane as it was enqueued takes a slot; what finds none is given back, also after a failure"
    )
    func grants() {
        var table = self.table(slots: 2)
        _ = table.nextTrip()
        table.claimed([], lane: 0)
        let claims = (1...3).map { Claim.sample(place: $0) }
        for claim in claims { table.granted(claim) }
        #expect(!table.isIdle)
        #expect(table.knows(claims[2].id, place: 3))
        let taken = table.takeGranted()
        #expect(taken.map(\.place) == [1, 2])
        #expect(table.knows(claims[1].id, place: 2))
        #expect(!table.knows(claims[2].id, place: 3))
        #expect(!table.isIdle)
        let trip = table.nextTrip()
        #expect(trip.releases.map(\.place) == [3])
        #expect(trip.outcomes.isEmpty)
        #expect(trip.steps.map(\.step) == [LaneMachine.Step(attend: .full, passesOn: true)])
        table.returned(trip)
        #expect(table.nextTrip().releases.map(\.place) == [3])
        for claim in claims[..<2] { table.finished(claim, .expired) }
        #expect(!table.isIdle)
        #expect(table.nextTrip().outcomes.map(\.claim.place) == [1, 2])
        #expect(table.isIdle)
    }

    @Test("what is handed over while a claim is under way gets the slots that the claim leaves, and no more")
    func grantsBesideAClaim() {
        var table = self.table(slots: 2)
        #expect(table.nextTrip().steps.map(\.step.claim) == [2])
        for place in 1...2 { table.granted(Claim.sample(place: Int64(place))) }
        table.claimed([Claim.sample(place: 3)], lane: 0)
        let taken = table.takeGranted()
        #expect(taken.map(\.place) == [1])
        #expect(table.lanes[0].busy == 2)
        #expect(table.nextTrip().releases.map(\.place) == [2])
    }

    @Test("what was given back as unknown is not run when its notification comes")
    func lateGrant() {
        var table = self.table(slots: 2)
        table.gaveBack(places: [1])
        for place in [1, 2] as [Int64] { table.granted(Claim.sample(place: place)) }
        let taken = table.takeGranted()
        #expect(taken.map(\.place) == [2])
        #expect(table.lanes[0].busy == 1)
        #expect(table.nextTrip().releases.isEmpty)
    }

    @Test("places that were given back on another connection may be given out again")
    func grantAfterCrash() {
        var table = self.table(slots: 2)
        table.gaveBack(places: [1])
        table.connectionLost()
        table.granted(Claim.sample(place: 1))
        #expect(table.takeGranted().map(\.place) == [1])
    }

    @Test("what was started, and may be once only, fails where the database has forgotten its end; all else goes back")
    func startedOnce() {
        let lanes = [true, false].map { LaneOptions(nodes: ["node"], slots: 10, maxAttempts: 3, atMostOnce: $0) }
        var table = WorkerTable(lanes: lanes)
        let claims = [1, 2, 3].map { Claim.sample(place: $0) }
        table.claimed([claims[0]], lane: 0)
        table.claimed([claims[1]], lane: 1)
        for claim in claims[..<2] { table.finished(claim, nil) }
        #expect(table.isIdle)
        let another = (id: EventID(), place: Int64(1))
        let unstarted = table.unstarted(claims.map { ($0.id, $0.place) } + [another])
        #expect(unstarted.map(\.place) == [2, 3, 1])
        let outcomes = table.nextTrip().outcomes
        #expect(outcomes.map(\.claim.id) == [claims[0].id])
        guard case .failed(code: "worker_lost", error: _) = outcomes[0].outcome else {
            Issue.record("\(outcomes[0].outcome)")
            return
        }
    }

    @Test("a worker that drains gives back what is claimed for it meanwhile")
    func grantWhileDraining() {
        var table = self.table(slots: 2)
        table.drain()
        table.granted(Claim.sample(place: 1))
        #expect(!table.isIdle)
        let taken = table.takeGranted()
        #expect(taken.isEmpty)
        #expect(table.nextTrip().releases.map(\.place) == [1])
        #expect(table.isIdle)
    }

    @Test("a poll makes every lane that sleeps look again, without a change of locks")
    func polls() {
        var table = self.table(slots: 2, lanes: 2)
        for _ in 0..<2 {
            _ = table.nextTrip()
            for lane in 0..<2 { table.claimed([], lane: lane) }
        }
        #expect(table.nextTrip().isEmpty)
        table.polled()
        let trip = table.nextTrip()
        #expect(trip.steps.map(\.lane) == [0, 1])
        #expect(trip.steps.allSatisfy { $0.step == LaneMachine.Step(claim: 2, isBackstop: true) })
    }

    @Test("where the disk is slow, outcomes are told apart from the trips, and come back when that fails")
    func slowDisk() {
        var table = self.table()
        let claims = (1...8).map { Claim.sample(place: $0) }
        table.claimed(claims, lane: 0)
        func places(_ outcomes: [WorkerTable.Told]) -> [Int64] { outcomes.map(\.claim.place) }

        // Fast: nothing is left behind, and there is nothing to tell apart.
        table.finished(claims[0], .answered([]))
        #expect(table.nextToTell()?.isEmpty == true)
        var trip = table.nextTrip()
        #expect(places(trip.outcomes) == [1])
        #expect(!trip.leavesOutcomes)

        // Slow, but the connection is not there yet.
        for _ in 0..<20 { table.answered(waiting: 90) }
        table.tellerLost()
        table.finished(claims[1], .answered([]))
        trip = table.nextTrip()
        #expect(places(trip.outcomes) == [2])
        #expect(trip.leavesOutcomes)

        // It is there.
        #expect(table.nextToTell()?.isEmpty == true)
        table.finished(claims[2], .answered([]))
        trip = table.nextTrip()
        #expect(trip.outcomes.isEmpty)
        #expect(trip.leavesOutcomes)
        #expect(table.nextToTell().map(places) == [3])
        #expect(table.knows(claims[2].id, place: 3))
        table.finished(claims[3], .answered([]))
        #expect(table.nextTrip().outcomes.isEmpty)

        // Its connection breaks: what it was telling goes with the next trip, before what came later.
        table.tellerLost()
        #expect(places(table.nextTrip().outcomes) == [3, 4])

        // Fast again, while it tells.
        #expect(table.nextToTell()?.isEmpty == true)
        table.finished(claims[4], .retry(code: "again", error: ""))
        #expect(table.nextToTell().map(places) == [5])
        for _ in 0..<20 { table.answered(waiting: 10) }
        table.finished(claims[5], .answered([]))
        #expect(table.nextTrip().outcomes.isEmpty)
        #expect(!table.isIdle)
        #expect(table.nextToTell()?.isEmpty == true)
        #expect(places(table.nextTrip().outcomes) == [6])

        // The trips' connection is lost while it is idle: it is made anew, and trips carry outcomes until it is there.
        for _ in 0..<20 { table.answered(waiting: 90) }
        table.connectionLost()
        table.finished(claims[6], .answered([]))
        trip = table.nextTrip()
        #expect(places(trip.outcomes) == [7])
        #expect(trip.leavesOutcomes)
        #expect(table.nextToTell() == nil)
        table.tellerLost()
        #expect(table.nextToTell()?.isEmpty == true)
        table.finished(claims[7], .answered([]))
        #expect(table.nextTrip().outcomes.isEmpty)
        #expect(table.nextToTell().map(places) == [8])
        // It is telling when they lose theirs: that will say whether it is there.
        table.connectionLost()
        #expect(table.nextToTell()?.isEmpty == true)
        #expect(table.isIdle)
    }
}
