/// One lane's attention to the queue: a pure state machine.
///
///     asleep ── woken, slot freed after full ──► eager ── claimed something ──► eager
///     eager ── claimed nothing (or, in quiet times, less than asked) ──► last look ── claimed nothing ──► asleep
///     eager, last look ── no slot left ──► full ── slot freed ──► eager
///     any ── drain ──► drained
///
/// An eager lane holds the lock that says so, one asleep (or at its last look) the idle lock: see `rejoinder.wake`.
struct LaneMachine: Sendable {
    enum Attention: String, Sendable {
        /// Holds no lock: new, out of slots or drained.
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
    }

    private let slots: Int
    private var free: Int
    private var attention = Attention.full
    private var isWoken = true
    private var isDraining = false
    /// The last claim found nothing, and no lock change has been made since.
    private var foundNothing = false
    /// The last claim found less than it asked for.
    private var isDrained = false
    /// The last look before sleep found nothing: the next one may come a claim earlier.
    private var isQuiet = false

    init(slots: Int) {
        self.slots = slots
        self.free = slots
    }

    /// How many slots are in use.
    var busy: Int { self.slots - self.free }

    /// The locks are gone with their connection: starts anew.
    mutating func connectionLost() {
        self.attention = .full
        self.isWoken = true
        self.foundNothing = false
    }

    /// Somebody says that there may be something; also every second, in case that got lost.
    mutating func woken() { self.isWoken = true }

    mutating func drain() { self.isDraining = true }

    mutating func slotFreed() { self.free += 1 }

    /// What to do in the next round trip; nil for nothing.
    mutating func step() -> Step? {
        if self.isDraining || self.free == 0 {
            guard self.attention != .full else { return nil }
            self.attention = .full
            return Step(attend: .full, passesOn: true)
        }
        switch self.attention {
        case .full:
            return self.becomeEager()
        case .eager where self.foundNothing || (self.isDrained && self.isQuiet):
            // The last look, under the idle lock: what is enqueued after it finds the lock.
            self.attention = .idle
            self.isWoken = false
            return Step(attend: .idle, claim: self.free)
        case .eager:
            return Step(claim: self.free)
        case .idle where self.isWoken:
            return self.becomeEager()
        case .idle:
            return nil
        }
    }

    /// What the step's claim brought.
    mutating func claimed(_ count: Int) {
        self.isDrained = count < self.free
        self.free -= count
        self.foundNothing = count == 0
        guard self.attention == .idle else { return }
        self.isQuiet = count == 0
        // A last look that found something was not the last.
        if count > 0 { self.isWoken = true }
    }

    private mutating func becomeEager() -> Step {
        self.attention = .eager
        self.isWoken = false
        self.foundNothing = false
        return Step(attend: .eager, claim: self.free)
    }
}
