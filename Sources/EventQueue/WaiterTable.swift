import DequeModule

/// Why an ingress ends an event on its own part: the code that the event then has.
enum Abandonment: String, Sendable {
    case expired
    case hungUp = "hung_up"
    case noWorker = "no_worker"
    case databaseAway = "database_away"

    var state: String { self == .expired ? "expired" : "cancelled" }
}

/// The waiting callers, and what the database must still be told or asked for them: a pure state machine.
///
/// An event enters before it is enqueued, so that no answer can outrun it, and leaves exactly once, with its outcome.
/// Until then its payload is kept: the ingress is the source of truth until it has replied.
struct WaiterTable<Waiter: Sendable>: Sendable {
    struct Entry: Sendable {
        let event: NewEvent
        let arrived: ContinuousClock.Instant
        let waiter: Waiter
    }

    /// What one round trip carries.
    struct Trip: Sendable {
        var enqueue: [NewEvent] = []
        var results: [EventID] = []
        var revive: [EventID] = []
        var abandon: [(id: EventID, as: Abandonment)] = []

        var isEmpty: Bool {
            self.enqueue.isEmpty && self.results.isEmpty && self.revive.isEmpty && self.abandon.isEmpty
        }
    }

    /// A batch has at most this many events, and about this many bytes of payload.
    static var mostEvents: Int { 500 }
    static var mostBytes: Int { 4 << 20 }
    /// About so many are asked for again at once.
    static var mostRefetched: Int { 500 }

    private(set) var entries: [EventID: Entry] = [:]
    /// Bytes of payload that are kept for waiting callers.
    private(set) var bytes = 0
    private var waitingByNode: [String: (calls: Int, bytes: Int)] = [:]
    private var refetches: UInt64 = 0
    private var toEnqueue: Deque<EventID> = []
    private var toFetch: Deque<EventID> = []
    private var toRevive: Deque<EventID> = []
    private var toAbandon: Deque<(id: EventID, as: Abandonment)> = []

    /// A caller starts to wait.
    mutating func enter(_ event: NewEvent, at now: ContinuousClock.Instant, waiter: Waiter) {
        self.entries[event.id] = Entry(event: event, arrived: now, waiter: waiter)
        self.bytes += event.payload.count
        let waiting = self.waitingByNode[event.node] ?? (0, 0)
        self.waitingByNode[event.node] = (waiting.calls + 1, waiting.bytes + event.payload.count)
        self.toEnqueue.append(event.id)
    }

    /// Whether there is room for one more caller.
    ///
    /// Beyond the limit there is another quarter of it, for nodes that have few waiting: one node that is overloaded must
    /// not shut the others out.
    func hasRoom(for node: String, limit: Int) -> Bool {
        if self.entries.count < limit { return true }
        return self.entries.count < limit + limit / 4 && self.waitingByNode[node]?.calls ?? 0 < limit / 4
    }

    /// Whether there is room for so many more bytes; and another quarter in the same way.
    func hasRoom(forBytes count: Int, of node: String, limit: Int) -> Bool {
        let bytes = self.bytes + count
        if bytes <= limit { return true }
        return bytes <= limit + limit / 4 && (self.waitingByNode[node]?.bytes ?? 0) + count <= limit / 4
    }

    /// A caller's wait ends; nil when it had ended before.
    ///
    /// With a reason, the event is ended in the queue too.
    mutating func leave(_ id: EventID, abandoningAs reason: Abandonment? = nil) -> Waiter? {
        guard let entry = self.entries.removeValue(forKey: id) else { return nil }
        self.bytes -= entry.event.payload.count
        if let (calls, bytes) = self.waitingByNode[entry.event.node] {
            let left = (calls - 1, bytes - entry.event.payload.count)
            self.waitingByNode[entry.event.node] = calls > 1 ? left : nil
        }
        if let reason { self.toAbandon.append((id, reason)) }
        return entry.waiter
    }

    /// A notification says that these have come to an end; those that nobody waits for here are ignored.
    mutating func finished(_ ids: some Sequence<EventID>) {
        for id in ids where self.entries[id] != nil { self.toFetch.append(id) }
    }

    /// This one was cancelled in the queue while the ingress was taken for lost: it is to be queued again.
    mutating func cancelled(_ id: EventID) {
        if self.entries[id] != nil { self.toRevive.append(id) }
    }

    /// What was told or asked may have got lost with a connection: everything again, which is harmless.
    mutating func reconcile() {
        self.toEnqueue = Deque(self.entries.values.sorted { $0.arrived < $1.arrived }.map(\.event.id))
        self.toFetch = self.toEnqueue
    }

    /// The ingress had been given up as dead, and its events may have been cancelled: asks for all of them.
    mutating func takenBack() {
        self.toFetch = Deque(self.entries.keys)
    }

    /// Asks again for those that have waited longer than this, in case a notification was lost.
    ///
    /// Where there are many, for a part of them each time: those that come in must not wait behind them.
    mutating func refetch(waitingSince instant: ContinuousClock.Instant) {
        guard self.toFetch.isEmpty else { return }
        let waiting = self.entries.values.lazy.filter { $0.arrived < instant }
        let parts = UInt64(waiting.count / Self.mostRefetched + 1)
        self.refetches += 1
        for entry in waiting where entry.event.id.low % parts == self.refetches % parts {
            self.toFetch.append(entry.event.id)
        }
    }

    /// Takes the next round trip's load.
    mutating func nextTrip() -> Trip {
        var trip = Trip()
        var bytes = 0
        while trip.enqueue.count < Self.mostEvents, bytes < Self.mostBytes, let id = self.toEnqueue.popFirst() {
            guard let event = self.entries[id]?.event else { continue }
            bytes += event.payload.count
            trip.enqueue.append(event)
        }
        while trip.results.count < Self.mostEvents, let id = self.toFetch.popFirst() {
            if self.entries[id] != nil { trip.results.append(id) }
        }
        while trip.revive.count < Self.mostEvents, let id = self.toRevive.popFirst() {
            if self.entries[id] != nil { trip.revive.append(id) }
        }
        while trip.abandon.count < Self.mostEvents, let abandoned = self.toAbandon.popFirst() {
            trip.abandon.append(abandoned)
        }
        return trip
    }

    /// A trip failed before its end: its load goes back. (What is still waited for is reconciled on the new connection.)
    mutating func returned(_ trip: Trip) {
        self.toAbandon.prepend(contentsOf: trip.abandon)
    }
}
