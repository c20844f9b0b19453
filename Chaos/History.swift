import LoadGenerator
import Stage
import Synchronization

/// Every call with its reply, every run of a handler and every final row of one scenario; what must hold of them always.
final class History: Sendable {
    /// A call, named by what its handler answers.
    struct Call: Sendable {
        let key: String
        let node: String
        let record: CallRecord

        /// From when it was due.
        var milliseconds: Double { (Double(self.record.ended) - Double(self.record.due)) / 1e6 }
        /// From when it went out, which is what a deadline runs from.
        var secondsOnTheWay: Double { self.record.sent.map { (Double(self.record.ended) - Double($0)) / 1e9 } ?? 0 }
        var status: Int? { if case .reply(let status, _) = self.record.end { status } else { nil } }
        var isAnswered: Bool { self.status == 200 }
    }

    /// What the database has kept of an event.
    struct Event {
        let state: String
        let answer: String
    }

    private let recorded = Mutex<[Call]>([])

    var calls: [Call] { self.recorded.withLock { $0 } }

    func add(_ record: CallRecord, prefix: String, node: String) {
        self.recorded.withLock { $0.append(Call(key: prefix + record.number, node: node, record: record)) }
    }

    /// Checks what must hold after every scenario.
    ///
    /// - Parameters:
    ///   - events: by the keys of their calls.
    ///   - runs: of all handlers.
    ///   - mayBreak: whether a call may end without a reply, because its ingress was killed or its caller hung up.
    /// - Returns: what does not hold, one line each.
    func faults(
        events: [String: [Event]],
        runs: [HandlerRun],
        mayBreak: (Call) -> Bool
    ) -> [String] {
        var faults = Faults()
        for call in self.calls {
            switch call.record.end {
            case .reply(200, let body):
                let stored = (events[call.key] ?? []).filter { $0.state == "answered" }
                if stored.count != 1 { faults.add("200 with \(stored.count) stored answers", call.key) }
                if !body.contains("\"\(call.key)\"") || stored.first.map({ $0.answer != call.key }) ?? false {
                    faults.add("200 with another call's answer", call.key)
                }
            case .reply: break
            case .broken, .unanswered:
                if !mayBreak(call) { faults.add("no reply though its ingress lives", call.key) }
            }
        }
        let once = Set(self.calls.lazy.filter { $0.node == "once" }.map(\.key))
        for (key, runs) in Dictionary(grouping: runs.filter { once.contains($0.key) }, by: \.key) where runs.count > 1 {
            faults.add("at-most-once handler run \(runs.count) times", key)
        }
        return faults.lines
    }

    /// Counts the calls of living ingresses whose reply came later than half a second after the deadline, in seconds; and
    /// those where it was three.
    func late(deadline: Double, mayBreak: (Call) -> Bool) -> (late: Int, tooLate: Int) {
        let late = self.calls.filter { $0.secondsOnTheWay > deadline + 0.5 && !mayBreak($0) }
        return (late.count, late.count { $0.secondsOnTheWay > deadline + 3 })
    }
}

/// Counts faults of a kind, and keeps an example of each.
private struct Faults {
    private var kinds: [String: (count: Int, example: String)] = [:]

    mutating func add(_ kind: String, _ example: String) {
        self.kinds[kind, default: (0, example)].count += 1
    }

    var lines: [String] {
        self.kinds.sorted { $0.key < $1.key }.map { "\($1.count) × \($0), such as \($1.example)" }
    }
}
