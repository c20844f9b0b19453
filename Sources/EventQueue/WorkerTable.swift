import DequeModule

/// What a worker holds and has to tell: a pure state machine.
///
/// A claim enters when the database has granted it and leaves when the database has taken its outcome (or refused it,
/// since the claim was no longer this worker's). An outcome is kept until then, across lost connections.
struct WorkerTable: Sendable {
    /// What one round trip carries.
    struct Trip: Sendable {
        var outcomes: [Told] = []
        /// What is given back untouched, the attempt refunded.
        var releases: [Claim] = []
        /// There are outcomes that are to be told apart from the trips.
        var leavesOutcomes = false
        var steps: [(lane: Int, step: LaneMachine.Step)] = []

        var isEmpty: Bool { self.outcomes.isEmpty && self.releases.isEmpty && self.steps.isEmpty }

        /// Nothing but a look whether there is something after all.
        var isQuiet: Bool { self.outcomes.isEmpty && self.steps.allSatisfy { $0.step.attend == nil } }
    }

    typealias Told = (claim: Claim, outcome: AttemptOutcome, handled: Handled?)

    /// The connection that tells outcomes apart from the trips.
    private enum Teller {
        /// Not there.
        case away
        /// Was idle when the trips' connection was lost, and is to be made anew.
        case doubted
        case idle
        case telling([Told])
    }

    static let mostOutcomes = 500
    /// The per cent of its time that an answer may wait for the disk.
    ///
    /// Above that, outcomes are told apart from the trips, so that claims don't wait too. Below they go along: larger
    /// batches, and fewer threads to wake (measured on two cores with a fast disk, 64 connections: 14 % more calls).
    static let slowDisk = 67.0

    var lanes: [LaneMachine]
    var marks: [LowWaterMark]
    /// Which lanes' events may be started once only.
    private let areOnce: [Bool]
    private var held: [EventID: Claim] = [:]
    private var outcomes: Deque<Told> = []
    private var releases: [Claim] = []
    /// Claims that came with a notification, and that no lane has made room for yet.
    private var grants: [Claim] = []
    /// The places of what the database held for this worker, and was given back as unknown: their notification may still come.
    private var givenBack: Set<Int64> = []
    /// What may be started once only and was, by its place, until its deadline: where its end was not yet on the disk, a crash of
    /// the database has it running again.
    private var started: [Int64: Claim] = [:]
    private var mostStarted = 1000
    private var teller = Teller.away
    /// When which lanes look again, for what a limit held back.
    private var looking: [Int: ContinuousClock.Instant] = [:]
    /// How many per cent of its time an answer waits for the disk, smoothed.
    private var waited = 0.0

    init(lanes: [LaneOptions]) {
        self.lanes = lanes.map { LaneMachine(slots: $0.slots) }
        self.marks = lanes.map { _ in LowWaterMark() }
        self.areOnce = lanes.map(\.atMostOnce)
    }

    /// Nothing is held, and every outcome has been taken.
    var isIdle: Bool {
        self.held.isEmpty && self.outcomes.isEmpty && self.releases.isEmpty && self.grants.isEmpty
            && self.beingTold.isEmpty
    }

    /// Whether this claim is held, or its outcome on the way.
    func knows(_ id: EventID, place: Int64) -> Bool {
        self.held[id]?.place == place || self.outcomes.contains { $0.claim.id == id && $0.claim.place == place }
            || self.beingTold.contains { $0.claim.id == id && $0.claim.place == place }
            || self.grants.contains { $0.id == id && $0.place == place }
    }

    private var beingTold: [Told] { if case .telling(let outcomes) = self.teller { outcomes } else { [] } }

    mutating func claimed(_ claims: [Claim], lane: Int) {
        self.lanes[lane].claimed(claims.count)
        for claim in claims { self.held[claim.id] = claim }
        if self.areOnce[lane] { self.remember(claims) }
    }

    private mutating func remember(_ claims: [Claim]) {
        if self.started.count > self.mostStarted {
            let now = ContinuousClock.now
            self.started = self.started.filter { $0.value.deadline > now }
            self.mostStarted = max(1000, 2 * self.started.count)
        }
        for claim in claims { self.started[claim.place] = claim.withoutPayload }
    }

    /// Of what the database holds for this worker, who knows nothing of it, what was never started here: it may go to others.
    ///
    /// What was, and may be once only, fails.
    mutating func unstarted(_ unknown: [(id: EventID, place: Int64)]) -> [(id: EventID, place: Int64)] {
        unknown.filter { event in
            guard let claim = self.started[event.place], claim.id == event.id else { return true }
            let reason = "the database has forgotten how its only attempt ended"
            self.outcomes.append((claim, .failed(code: "worker_lost", error: reason), nil))
            return false
        }
    }

    /// What the database held for this worker, who knew nothing of it, goes to others.
    mutating func gaveBack(places: [Int64]) { self.givenBack = Set(places) }

    /// An event was claimed for a lane as it was enqueued.
    mutating func granted(_ claim: Claim) { self.grants.append(claim) }

    /// Those of the granted claims that are to run; the others are given back with the next trip.
    ///
    /// Only between two trips: a claim that is under way may take all the slots that a lane has.
    mutating func takeGranted() -> [Claim] {
        var taken: [Claim] = []
        for claim in self.grants {
            if self.givenBack.contains(claim.place) { continue }
            if self.lanes[claim.lane].granted() {
                self.held[claim.id] = claim
                taken.append(claim)
            } else {
                self.releases.append(claim)
            }
        }
        self.grants = []
        return taken
    }

    /// An attempt has come to its outcome; nil when the database knows it already, or must not be told.
    mutating func finished(_ claim: Claim, _ outcome: AttemptOutcome?, _ handled: Handled? = nil) {
        guard self.held[claim.id]?.place == claim.place else { return }
        self.held[claim.id] = nil
        if let outcome { self.outcomes.append((claim, outcome, handled)) }
    }

    /// What can't be told before its deadline any more is not told.
    mutating func forget(overdueAt now: ContinuousClock.Instant) {
        self.outcomes.removeAll { $0.claim.deadline <= now }
        self.releases.removeAll { $0.deadline <= now }
        self.grants.removeAll { $0.deadline <= now }
    }

    mutating func nextTrip() -> Trip {
        var trip = Trip()
        trip.leavesOutcomes = self.tellsApart && !self.outcomes.isEmpty
        switch self.teller {
        case .away, .doubted: trip.outcomes = self.takeOutcomes()
        case .idle: trip.outcomes = self.tellsApart ? [] : self.takeOutcomes()
        case .telling: break
        }
        swap(&trip.releases, &self.releases)
        // What goes back to the queue may be for a lane here, which the database won't wake on its own worker's behalf.
        if !trip.releases.isEmpty || trip.outcomes.contains(where: { $0.outcome.goesBack }) { self.woken() }
        // Nor for what a limit lets through when one has ended.
        if !trip.outcomes.isEmpty { for lane in self.looking.keys { self.lanes[lane].polled() } }
        for lane in self.lanes.indices {
            if let step = self.lanes[lane].step() { trip.steps.append((lane, step)) }
        }
        return trip
    }

    /// A trip failed before its end: its outcomes go back, to be sent again.
    mutating func returned(_ trip: Trip) {
        self.outcomes.prepend(contentsOf: trip.outcomes)
        self.releases.insert(contentsOf: trip.releases, at: 0)
    }

    /// An answer waited for the disk for so many per cent of its time.
    mutating func answered(waiting share: Int32) { self.waited += (Double(share) - self.waited) / 8 }

    private var tellsApart: Bool { self.waited > Self.slowDisk }

    /// What the telling connection, which is there, has to tell now; what it told before has been taken.
    ///
    /// - Returns: nil where it is to be made anew.
    mutating func nextToTell() -> [Told]? {
        if case .doubted = self.teller { return nil }
        // What went back to the queue may be for a lane here, which the database won't wake on its own worker's behalf.
        if self.beingTold.contains(where: { $0.outcome.goesBack }) { self.woken() }
        if !self.beingTold.isEmpty { for lane in self.looking.keys { self.lanes[lane].polled() } }
        let outcomes = self.tellsApart ? self.takeOutcomes() : []
        self.teller = outcomes.isEmpty ? .idle : .telling(outcomes)
        return outcomes
    }

    /// The telling connection is gone: what it was about to tell goes back, to be sent again.
    mutating func tellerLost() {
        self.outcomes.prepend(contentsOf: self.beingTold)
        self.teller = .away
    }

    private mutating func takeOutcomes() -> [Told] {
        let count = min(self.outcomes.count, Self.mostOutcomes)
        defer { self.outcomes.removeFirst(count) }
        return Array(self.outcomes.prefix(count))
    }

    /// The marks go too: a crash of the database may have taken back places that no answer had made durable.
    ///
    /// So does an idle connection to tell with: what took this one may have taken that, and outcomes would wait 10 s for it to
    /// be noticed (found by a call that took 20 s when the primary had vanished).
    mutating func connectionLost() {
        if case .idle = self.teller { self.teller = .doubted }
        self.givenBack = []
        for lane in self.lanes.indices {
            self.lanes[lane].connectionLost()
            self.marks[lane] = LowWaterMark()
        }
    }

    /// All lanes, or the one of that number, may find something.
    mutating func woken(lane: Int? = nil) {
        for index in self.lanes.indices where lane == nil || lane == index { self.lanes[index].woken() }
    }

    /// A limit holds back what the lane might run, until then.
    ///
    /// - Returns: whether that is sooner than the lane would look.
    mutating func heldBack(lane: Int, until instant: ContinuousClock.Instant) -> Bool {
        if let known = self.looking[lane], known <= instant { return false }
        self.looking[lane] = instant
        return true
    }

    /// The limit may let something through; but a sooner look may have been made, and a later one be due, since this was planned.
    mutating func lookAgain(lane: Int, at now: ContinuousClock.Instant) {
        guard let instant = self.looking[lane], instant <= now else { return }
        self.looking[lane] = nil
        self.lanes[lane].polled()
    }

    /// All lanes may find something, though nobody has said so.
    mutating func polled() {
        for index in self.lanes.indices { self.lanes[index].polled() }
    }

    /// Whether enough others listen for what these lanes serve.
    mutating func spare(_ isSpare: Bool) {
        for index in self.lanes.indices { self.lanes[index].spare(isSpare) }
    }

    /// Nothing can be told to this worker that it would want to know.
    var isDeaf: Bool { self.lanes.allSatisfy { !$0.isCallable || ($0.isReserve && self.isIdle) } }

    /// Whether somebody can be told anything at all.
    mutating func callable(_ isCallable: Bool) {
        for lane in self.lanes.indices { self.lanes[lane].isCallable = isCallable }
    }

    mutating func drain() {
        for lane in self.lanes.indices { self.lanes[lane].drain() }
    }
}
