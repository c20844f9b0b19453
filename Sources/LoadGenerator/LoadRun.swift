import DequeModule
import HaptikWebhook
import NIOCore

/// One load, on its event loop, from opening its connections to its result.
///
///     preparing ── all connections are open ──► running ── time is over, all calls made ──► draining ── last reply ──► ended
final class LoadRun {
    private enum Phase {
        case preparing
        case running
        case draining
        case ended
    }

    private static let openingAtOnce = 16

    private let plan: LoadPlan
    private let dialer: Dialer
    private let eventLoop: any EventLoop
    private let promise: EventLoopPromise<LoadResult>
    private var renderers: [RequestRenderer]
    private var phase = Phase.preparing

    private var tally = Tally()
    /// Calls that were made, waiting ones included.
    private var calls = 0
    private var underWay = 0

    /// Nanoseconds: when calls begin, when they begin to count, and when they end.
    private var begin: UInt64 = 0
    private var countFrom: UInt64 = 0
    private var end: UInt64 = 0

    /// Connections without a call, the last one used at the end; some may have closed.
    private var free: [LoadConnection] = []
    /// All that are open.
    private var connections: [ObjectIdentifier: LoadConnection] = [:]
    private var opening = 0
    private var dialled = 0
    private let idle: IdleConnections

    /// Of an open loop: when calls are due.
    private var schedule: Schedule?
    /// Calls that have no connection yet.
    private var waiting: Deque<Call> = []

    init(_ plan: LoadPlan, _ dialer: Dialer, _ eventLoop: any EventLoop, _ promise: EventLoopPromise<LoadResult>) {
        self.plan = plan
        self.dialer = dialer
        self.eventLoop = eventLoop
        self.promise = promise
        self.idle = IdleConnections(plan.idleConnections, dialer)
        self.renderers = plan.targets.map {
            RequestRenderer($0, body: plan.body, signer: plan.signer, closing: plan.newConnections)
        }
    }

    /// Whether connections are opened for calls that wait; else a connection makes its next call when it is free.
    private var opensForCalls: Bool {
        if case .open = self.plan.pace { true } else { self.plan.newConnections }
    }

    private var mostConnections: Int {
        switch self.plan.pace {
        case .closed(let connections), .open(_, let connections): connections
        }
    }

    private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    // MARK: Preparing

    func start() {
        // Where they are opened for calls, one to each target says whether that is there.
        for _ in 0..<(self.opensForCalls ? self.plan.targets.count : self.mostConnections) { self.open() }
        self.idle.open {
            self.beginWhenPrepared()
        } onFailure: {
            self.fail($0, $1)
        }
    }

    private func open() {
        let line = self.dialer.lines[self.dialled % self.dialer.lines.count]
        let connection = LoadConnection(
            self,
            target: self.dialled % self.dialer.lines.count,
            isSecure: line.target.isSecure,
            isForOneCall: self.plan.newConnections,
            timeout: self.dialer.timeout
        )
        self.dialled += 1
        self.opening += 1
        self.dialer.dial(line, connection) { self.failedToOpen(connection, $0) }
    }

    private func fail(_ target: LoadTarget, _ error: any Error) {
        guard case .preparing = self.phase else { return }
        self.closeAll()
        self.promise.fail(LoadError.unreachable(url: target.url, reason: LoadError.reason(of: error)))
    }

    private func beginWhenPrepared() {
        guard case .preparing = self.phase, self.opening == 0, self.idle.areReady else { return }
        self.phase = .running
        self.begin = Self.now
        self.countFrom = self.begin + self.plan.warmUp.wholeNanoseconds
        self.end = self.countFrom + self.plan.duration.wholeNanoseconds
        self.after(self.end - self.begin) { self.stop() }
        let connections = self.free
        if self.plan.newConnections {
            (self.free, self.connections) = ([], [:])
            for connection in connections { connection.close() }
        }
        switch self.plan.pace {
        case .open(let rate, _):
            self.schedule = Schedule(rate: rate, end: self.end - self.begin)
            self.callsAreDue()
        case .closed(let most) where self.plan.newConnections:
            for _ in 0..<most { self.callAnew(at: Self.now) }
        case .closed:
            self.free = []
            for connection in connections { self.use(connection, at: Self.now) }
        }
    }

    // MARK: Calls

    /// Gives a free connection its next call, or puts it aside.
    private func use(_ connection: LoadConnection, at now: UInt64) {
        guard connection.isFree else { return }
        guard let call = self.nextCall(at: now) else { return self.free.append(connection) }
        connection.send(call, self.renderers[connection.target].request(call.number))
    }

    private func nextCall(at now: UInt64) -> Call? {
        guard !self.opensForCalls else { return self.waiting.popFirst() }
        guard case .running = self.phase, now < self.end else { return nil }
        return self.makeCall(at: now)
    }

    /// The next call of a closed loop whose calls have a connection each.
    private func callAnew(at now: UInt64) {
        guard case .closed = self.plan.pace, self.plan.newConnections else { return }
        guard case .running = self.phase, now < self.end, let call = self.makeCall(at: now) else { return }
        self.dispatch(call)
    }

    private func makeCall(at start: UInt64) -> Call? {
        if let most = self.plan.calls, self.calls >= most { return nil }
        self.calls += 1
        self.underWay += 1
        return Call(number: "\(self.calls)", start: start)
    }

    /// The open loop's clock: starts what is due, and comes again when the next call is.
    private func callsAreDue() {
        guard case .running = self.phase else { return }
        while let due = self.schedule?.take(by: Self.now - self.begin), let call = self.makeCall(at: self.begin + due) {
            self.dispatch(call)
        }
        guard let next = self.schedule?.next else { return }
        Timer { [self] in self.callsAreDue() }.start(at: .uptimeNanoseconds(self.begin + next), on: self.eventLoop)
    }

    private func dispatch(_ call: Call) {
        while let connection = self.free.popLast() {
            guard connection.isFree else { continue }
            return connection.send(call, self.renderers[connection.target].request(call.number))
        }
        self.waiting.append(call)
        self.openForWaiting()
    }

    /// More connections while more calls wait than connections are on their way.
    ///
    /// A few at a time: they cost the other side more than calls do, and those that are open may soon be free, if they are kept.
    private func openForWaiting() {
        let (atOnce, most) = (self.plan.newConnections ? Dialer.mostAtOnce : Self.openingAtOnce, self.mostConnections)
        while self.opening < min(self.waiting.count, atOnce), self.connections.count + self.opening < most {
            self.open()
        }
    }

    private func ended(_ call: Call, _ fate: Tally.Fate, at now: UInt64) {
        self.count(call, fate, at: now)
        self.callAnew(at: now)
    }

    private func count(_ call: Call, _ fate: Tally.Fate, at now: UInt64) {
        self.underWay -= 1
        if call.start >= self.countFrom {
            self.tally.count(fate)
        } else if case .answered(_, inTime: true) = fate {
            self.tally.countEarlierOne()
        }
        if let most = self.plan.calls, self.calls >= most, self.underWay == 0 { self.end = min(self.end, now) }
    }

    private func record(_ call: Call, _ target: Int?, at now: UInt64, _ end: () -> CallRecord.End) {
        guard let onEnd = self.plan.onEnd else { return }
        onEnd(CallRecord(number: call.number, target: target, due: call.start, sent: call.sent, ended: now, end: end()))
    }

    private func fate(of call: Call, _ response: Response, at now: UInt64) -> Tally.Fate {
        guard response.status == 200 else { return .refused(response.status) }
        if let expected = self.plan.expected {
            guard expected.isContained(in: response.body, number: call.number) else { return .wrong }
        }
        return .answered(after: now - call.start, inTime: now >= self.countFrom && now <= self.end)
    }

    // MARK: What connections say

    func opened(_ connection: LoadConnection) {
        self.opening -= 1
        self.tally.opened()
        self.connections[ObjectIdentifier(connection)] = connection
        switch self.phase {
        case .preparing:
            self.free.append(connection)
            self.beginWhenPrepared()
        case .running, .draining:
            self.use(connection, at: Self.now)
            self.openForWaiting()
        case .ended: connection.close()
        }
    }

    func failedToOpen(_ connection: LoadConnection, _ error: any Error) {
        self.opening -= 1
        self.fail(self.dialer.lines[connection.target].target, error)
        if case .ended = self.phase { return }
        // Of calls that were to have one each it was one's own.
        let call = self.plan.newConnections ? self.waiting.popFirst() : nil
        if let call {
            let now = Self.now
            self.record(call, nil, at: now) { .broken }
            self.count(call, .failed, at: now)
        }
        // At a pace that leaves the machine to whoever has to come back.
        self.after(20_000_000) {
            guard self.phase != .ended else { return }
            if call != nil { self.callAnew(at: Self.now) }
            self.replace()
            self.endWhenDone()
        }
    }

    func replied(_ connection: LoadConnection, _ call: Call, _ response: Response) {
        let now = Self.now
        // One that is closing is no longer one of those that there may be.
        if self.plan.newConnections { self.connections[ObjectIdentifier(connection)] = nil }
        self.record(call, connection.target, at: now) {
            .reply(status: response.status, body: String(buffer: response.body))
        }
        self.ended(call, self.fate(of: call, response, at: now), at: now)
        self.use(connection, at: now)
        self.endWhenDone()
    }

    /// A connection has closed, with or without a call under way on it.
    func closed(_ connection: LoadConnection, breaking call: Call?) {
        self.connections[ObjectIdentifier(connection)] = nil
        if case .ended = self.phase { return }
        if call != nil || !self.plan.newConnections { self.tally.lost() }
        if let call {
            self.record(call, connection.target, at: Self.now) { .broken }
            self.ended(call, .failed, at: Self.now)
        }
        self.fail(self.dialer.lines[connection.target].target, ChannelError.eof)
        self.replace()
        self.endWhenDone()
    }

    private func replace() {
        switch self.phase {
        case .running where !self.opensForCalls: self.open()
        case .running, .draining: self.openForWaiting()
        default: break
        }
    }

    // MARK: Ending

    /// Makes no more calls, and waits for the replies that are due.
    private func stop() {
        guard self.phase == .running else { return }
        self.phase = .draining
        self.after(self.plan.patience.wholeNanoseconds) { self.finish() }
        self.endWhenDone()
    }

    private func endWhenDone() {
        guard self.underWay == 0 else { return }
        switch self.phase {
        case .draining: self.finish()
        case .running where self.plan.calls.map { self.calls >= $0 } ?? false: self.finish()
        default: break
        }
    }

    /// Ends the load; calls that are still under way stay unanswered.
    func finish() {
        guard self.phase != .ended else { return }
        self.end = min(self.end, Self.now)
        let unanswered: [(call: Call, target: Int?)] =
            self.waiting.map { ($0, nil) }
            + self.connections.values.compactMap { open in open.call.map { ($0, open.target) } }
        for (call, target) in unanswered {
            self.record(call, target, at: Self.now) { .unanswered }
            if call.start >= self.countFrom { self.tally.count(.unanswered) }
        }
        let result = self.tally.result(
            after: self.end > self.countFrom ? self.end - self.countFrom : 0,
            idleConnections: self.idle.open
        )
        self.closeAll()
        self.promise.succeed(result)
    }

    private func closeAll() {
        self.phase = .ended
        self.dialer.stop()
        for connection in self.connections.values { connection.close() }
        self.idle.close()
        self.free = []
    }

    private func after(_ nanoseconds: UInt64, _ body: @escaping () -> Void) {
        self.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(nanoseconds)), body)
    }
}

extension Duration {
    fileprivate var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = self.components
        return UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000)
    }
}
