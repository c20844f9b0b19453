import DequeModule

/// The place below which nothing is queued any more, nor will be, as far as one claimer knows.
///
/// A claim tells below which place it saw nothing that it left. But an enqueue that is under way may yet commit places below that.
/// All such transactions had their ids by then, and a later claim has a higher one. So the mark follows once a claim from the mark
/// on, which began when all transactions below that id had ended, sees nothing left there either.
///
/// Somebody's transaction that writes for long, in whichever database of the server, keeps that from being known. After a second
/// of it claims start from what had been emptied 100 ms before, or where the last proof saw something; and one of them now and
/// then from 10 s before, which is longer than an enqueue of an ingress may take. What was emptied 40 s before is taken as proved
/// then. (Of all that was claimed since the index keeps an entry until it is vacuumed: measured at 4,500 events a second, a claim
/// from 40 s ago took 20 to 40 ms.)
struct LowWaterMark {
    /// What a claim says.
    struct Proof {
        /// Nothing is queued there that it saw and left.
        let emptiedBelow: Int64
        /// All transactions with lower ids had ended before it looked.
        let endedBelow: Int64
        /// Its own id.
        let transaction: Int64
    }

    private struct Candidate {
        let place: Int64
        /// A transaction's id, higher than of all that had been given places below that, and since when it is known.
        var limit: (transaction: Int64, since: ContinuousClock.Instant)?
    }

    private static let spacing = Duration.milliseconds(20)
    /// In quiet times a proof would be half of all that is asked, and at rest there is nothing to learn.
    private static let quietSpacing = Duration.seconds(3)
    private static let restingSpacing = Duration.seconds(20)
    private static let deep = Duration.seconds(40)
    private static let patience = Duration.seconds(1)
    private static let usual = Duration.milliseconds(100)
    private static let lookBack = Duration.seconds(10)
    private static let lookSpacing = Duration.milliseconds(500)...Duration.seconds(5)
    /// Looks take a fiftieth of the time at most, unless each takes more than a tenth of a second.
    private static let lookRest = 50

    private var proved: Int64 = 0
    private var candidates: Deque<Candidate> = []
    private var emptied = EmptiedPlaces()
    private var last: (proof: Proof, at: ContinuousClock.Instant)?
    private var nextLook: ContinuousClock.Instant?
    private var isLooking = false

    /// Whether the claim that starts at the last `nextStart(at:)` should prove what it empties.
    func isProofDue(at now: ContinuousClock.Instant, isQuiet: Bool) -> Bool {
        if self.isLooking { return true }
        guard let age = self.emptied.age(at: now) else { return true }
        if !isQuiet { return age >= Self.spacing }
        return age >= (self.emptied.isAtRest(at: now) ? Self.restingSpacing : Self.quietSpacing)
    }

    /// Where the next claim starts.
    mutating func nextStart(at now: ContinuousClock.Instant) -> Int64 {
        self.isLooking = self.isHeldBack && self.nextLook.map { now >= $0 } ?? true
        guard self.isLooking else { return self.place(at: now) }
        self.nextLook = now + Self.lookSpacing.lowerBound
        return max(self.known(at: now), self.emptied.place(asOf: now - Self.lookBack))
    }

    /// Where one starts that need not find everything.
    func place(at now: ContinuousClock.Instant) -> Int64 {
        let known = self.known(at: now)
        guard self.isHeldBack, let last = self.last else { return known }
        return max(known, min(self.emptied.place(asOf: now - Self.usual), last.proof.emptiedBelow))
    }

    /// What started at the last `nextStart(at:)` took so long, by now.
    mutating func took(_ duration: Duration, at now: ContinuousClock.Instant) {
        guard self.isLooking else { return }
        let rest = min(max(duration * Self.lookRest, Self.lookSpacing.lowerBound), Self.lookSpacing.upperBound)
        self.nextLook = now + rest
    }

    /// A claim that started at a place, and has ended now, proves this.
    mutating func note(_ proof: Proof, from start: Int64, at now: ContinuousClock.Instant) {
        // Places are given out a second time after a failover, which a pooler may hide.
        if proof.emptiedBelow < start || proof.transaction <= self.last?.proof.transaction ?? 0 { self = Self() }
        self.proved = self.known(at: now)
        self.last = (proof, now)
        if let last = self.candidates.indices.last, self.candidates[last].limit == nil {
            self.candidates[last].limit = (proof.transaction, now)
        }
        while let first = self.candidates.first, first.place <= self.proved || self.proves(proof, first, from: start) {
            self.proved = max(self.proved, first.place)
            self.candidates.removeFirst()
        }
        if proof.emptiedBelow > self.candidates.last?.place ?? self.proved {
            self.candidates.append(Candidate(place: proof.emptiedBelow))
        }
        self.emptied.note(proof.emptiedBelow, at: now)
    }

    private func proves(_ proof: Proof, _ candidate: Candidate, from start: Int64) -> Bool {
        guard let limit = candidate.limit else { return false }
        return start <= self.proved && candidate.place <= proof.emptiedBelow && limit.transaction <= proof.endedBelow
    }

    private func known(at now: ContinuousClock.Instant) -> Int64 {
        self.isHeldBack ? max(self.proved, self.emptied.place(asOf: now - Self.deep)) : self.proved
    }

    /// Whether something that writes has kept the first candidate from being proved for longer than one can wait.
    private var isHeldBack: Bool {
        guard let limit = self.candidates.first?.limit, let last = self.last else { return false }
        return last.proof.endedBelow < limit.transaction && last.at - limit.since > Self.patience
    }
}
