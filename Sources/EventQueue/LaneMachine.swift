/// One lane's attention to the queue: a pure state machine.
///
///     asleep ── woken, polled ──► look ── claimed few ──► asleep
///     look ── claimed many ──► eager ── claimed something ──► eager
///     eager ── claimed nothing (or, in quiet times or time after time, less than asked) ──► look
///     eager, look ── no slot left ──► full ── slot freed ──► eager
///     asleep ── spare ──► reserve ── no longer spare ──► last look
///     reserve ── polled, and found something ──► eager
///     any ── drain ──► drained
///
/// An eager lane holds the lock that says so, and claims again and again: nobody need call it. One that is asleep or looks
/// holds the idle lock, and is called for each batch: see `rejoinder.wake`. That is one claim for each, where an eager
/// lane makes two more before it sleeps. Or it is not even called, but handed the events (`rejoinder.idle_lane`), and claims
/// nothing at all. One in reserve holds neither, and is woken by nobody: see `rejoinder.is_spare`.
struct LaneMachine: Sendable {
    enum Attention: String, Sendable {
        /// Holds no lock: new, out of slots, drained or in reserve.
        case full
        case eager
        case idle
    }

    /// What the lane wants from the next round trip, in this order.
    struct Step: Sendable, Hashable {
        /// A change of the locks.
        var attend: Attention?
        /// Wake another for what is left in the queue.
        var passesOn = false
        /// How many to claim; 0 for no claim.
        var claim = 0
        /// Only what has waited for `backstop`: what is newer, those who are called for it will claim.
        var isBackstop = false
    }

    /// So long an event waits only when nobody has been called for it, or those who were have too much to do.
    static let backstop = Duration.milliseconds(100)

    /// So many at once, and it doesn't pay to be called for each batch.
    static let many = 4

    private let slots: Int
    /// After so many claims in a row that an eager lane could have made larger, it looks whether another's suffice.
    private let yieldAfter: Int
    private var free: Int
    private var attention = Attention.full
    private var isWoken = true
    private var isPolled = false
    private var isDraining = false
    /// The last claim found nothing, and no lock change has been made since.
    private var foundNothing = false
    /// The last claim found less than it asked for.
    private var isDrained = false
    /// The last look found few: the next one may come a claim earlier, and be made without becoming eager.
    private var isQuiet = false
    /// How many claims in a row found less than they asked for, while no handler ran.
    private var smallClaims = 0
    /// Enough others listen for what this lane serves.
    private var isSpare = false
    /// Whether it can hold locks, and be called; without, it claims when it is polled, and again while it finds something.
    var isCallable = true
    /// Holds no lock, though it has slots.
    private(set) var isReserve = false

    init(slots: Int, yieldAfter: Int = 16) {
        self.slots = slots
        self.yieldAfter = yieldAfter
        self.free = slots
    }

    /// How many slots are in use.
    var busy: Int { self.slots - self.free }

    /// The locks are gone with their connection: starts anew.
    mutating func connectionLost() {
        self.attention = .full
        self.isReserve = false
        self.isWoken = true
        self.foundNothing = false
    }

    /// Somebody says that there may be something.
    mutating func woken() { self.isWoken = true }

    /// Nobody says so, but that may have got lost: a look without a change of locks.
    mutating func polled() { self.isPolled = true }

    /// Whether enough others listen.
    mutating func spare(_ isSpare: Bool) { self.isSpare = isSpare }

    mutating func drain() { self.isDraining = true }

    mutating func slotFreed() {
        if !self.isCallable, self.free == 0 { self.isWoken = true }
        self.free += 1
    }

    /// What to do in the next round trip; nil for nothing.
    mutating func step() -> Step? {
        if !self.isCallable {
            guard !self.isDraining, self.free > 0, self.isWoken || self.isPolled else { return nil }
            return self.look()
        }
        if self.isDraining || self.free == 0 {
            defer {
                self.attention = .full
                self.isReserve = false
            }
            // Out of the reserve there is no lock to give back.
            if self.isReserve { return Step(passesOn: true) }
            return self.attention == .full ? nil : Step(attend: .full, passesOn: true)
        }
        switch self.attention {
        case .full where self.isReserve && !self.isWoken:
            return self.stepInReserve()
        case .full:
            return self.becomeEager()
        case .eager where self.foundNothing || (self.isDrained && self.isQuiet):
            self.attention = .idle
            return self.look(attend: .idle)
        case .eager where self.smallClaims >= self.yieldAfter:
            // Where another lane is eager too, the database leaves it the rest: each that claims makes smaller batches of it.
            self.attention = .idle
            return self.look(attend: .idle)
        case .eager:
            return Step(claim: self.free)
        case .idle where self.isWoken:
            return self.isQuiet ? self.look() : self.becomeEager()
        case .idle where self.isSpare && self.busy == 0:
            // A look after it: what was enqueued before may have counted on this lane.
            self.attention = .full
            self.isReserve = true
            return Step(attend: .full, claim: self.free)
        case .idle where self.isPolled:
            return self.look(isBackstop: true)
        case .idle:
            return nil
        }
    }

    /// An event was claimed for the lane as it was enqueued.
    ///
    /// - Returns: whether there is a slot for it; without, it must be given back.
    mutating func granted() -> Bool {
        guard !self.isDraining, self.free > 0 else { return false }
        self.free -= 1
        return true
    }

    /// What the step's claim brought.
    mutating func claimed(_ count: Int) {
        self.isDrained = count < self.free
        self.smallClaims = self.attention == .eager && self.isDrained && self.busy == 0 ? self.smallClaims + 1 : 0
        self.free -= count
        self.foundNothing = count == 0
        if !self.isCallable, count > 0 { self.isWoken = true }
        guard self.attention == .idle || self.isReserve else { return }
        self.isQuiet = count == 0 || (self.isDrained && count < Self.many && !self.isReserve)
        if !self.isQuiet { self.isWoken = true }
    }

    /// A claim under the idle lock: what is enqueued after it finds the lock, so that the lane may sleep when this has not
    /// found all that it could take.
    private mutating func look(attend: Attention? = nil, isBackstop: Bool = false) -> Step {
        self.isWoken = false
        self.isPolled = false
        return Step(attend: attend, claim: self.free, isBackstop: isBackstop)
    }

    private mutating func stepInReserve() -> Step? {
        if !self.isSpare {
            self.isReserve = false
            self.attention = .idle
            return Step(attend: .idle, claim: self.free)
        }
        guard self.isPolled else { return nil }
        self.isPolled = false
        return Step(claim: self.free, isBackstop: true)
    }

    private mutating func becomeEager() -> Step {
        self.attention = .eager
        self.isReserve = false
        self.isWoken = false
        self.foundNothing = false
        self.smallClaims = 0
        return Step(attend: .eager, claim: self.free)
    }
}
