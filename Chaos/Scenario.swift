import Stage

/// A fault, what must be seen when it is injected, and what it needs.
struct Scenario: Sendable {
    let name: String
    let title: String
    var ingresses = 2
    var workers = 4
    var slots: Int?
    /// Of a call, in seconds.
    var deadline = 29.0
    /// Of the short form, where it is another.
    var shortDeadline: Double?
    var ingressArguments: [String] = []
    /// Whether calls may be answered otherwise than by a 200.
    var mayRefuse = false
    /// Whether a standby follows the database, synchronously.
    var hasStandby = false
    /// The size of the disk that PostgreSQL has to itself, in MiB; nil for the machine's.
    var disk: Int?
    /// Whether processes find the database behind a proxy.
    var hasProxy = false
    /// What an operator must see of the fault in metrics and on the dashboard.
    let signs: [Sign]
    /// Injects the fault under load.
    let run: @Sendable (Arena, _ isShort: Bool) async throws -> Findings
}

/// What a scenario has seen beside the history.
struct Findings: Sendable {
    /// What did not hold, one line each.
    var faults: [String] = []
    /// The longest time that something took to come back, in milliseconds; nil where the slowest answer says it.
    var worstRecovery: Double?
    /// What else is worth knowing.
    var notes: [String] = []
    /// Calls that may end without a reply: their ingress was killed, or they hung up.
    var mayBreak: @Sendable (History.Call) -> Bool = { _ in false }
    /// Calls that may be refused, in a scenario that lets no other be.
    var mayRefuse: @Sendable (History.Call) -> Bool = { _ in false }

    /// Of a time or a ratio: the short form, which may run on a machine that does other things too, notes it only, as long
    /// as a loose bound holds.
    mutating func expect(
        inTime isSo: Bool,
        loosely isNear: @autoclosure () -> Bool,
        _ isShort: Bool,
        _ otherwise: @autoclosure () -> String
    ) {
        guard !isSo else { return }
        if isShort, isNear() { self.notes.append(otherwise()) } else { self.faults.append(otherwise()) }
    }

    mutating func expect(_ isSo: Bool, _ otherwise: @autoclosure () -> String) {
        if !isSo { self.faults.append(otherwise()) }
    }
}

extension Scenario {
    static let all: [Scenario] = [
        .killedWorkers, .stoppedWorker, .stubbornHandler, .killedIngress, .stoppedIngress, .crashedDatabase,
        .terminatedBackends,
        .failover, .vanishedPrimary, .databaseAway, .blackHole, .readOnlyDatabase, .noConnections, .fullDisk,
        .cuttingProxy, .stallingProxy,
        .overload, .slowNode,
        .rollingRestart, .migration, .steering, .hangUps,
    ]
}

extension Sequence<Double> {
    /// The nearest-rank percentile; 0 of nothing.
    func percentile(_ percent: Double) -> Double {
        let sorted = self.sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[Swift.max(0, Int((Double(sorted.count) * percent / 100).rounded(.up)) - 1)]
    }
}
