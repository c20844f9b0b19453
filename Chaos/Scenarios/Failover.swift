import LoadGenerator
import LocalPostgres
import RejoinderMetrics
import Stage

extension Scenario {
    static let failover = Scenario(
        name: "failover",
        title: "the primary is killed and its standby promoted; two hosts in DATABASE_URL",
        hasStandby: true,
        signs: Self.failoverSigns
    ) { arena, isShort in
        try await arena.failover(seconds: isShort ? 8 : 30, isShort) { try await arena.database.cluster.kill() }
    }

    static let vanishedPrimary = Scenario(
        name: "vanished-primary",
        title: "the primary's host is gone without a word and its standby promoted; two hosts in DATABASE_URL",
        hasStandby: true,
        hasProxy: true,
        signs: Self.failoverSigns
    ) { arena, isShort in
        // Nothing tells the connections: each waits for its statement first.
        let proxy = try arena.proxyInUse()
        return try await arena.failover(seconds: isShort ? 16 : 40, isShort) { proxy.swallowAll() }
    }

    private static let failoverSigns: [Sign] = [
        .falls(.databaseUp),
        .rises(.databaseConnectionsLost),
        .isShown("The database has been away since"),
        .isShown("database <code>connection_lost</code>"),
    ]
}

extension Arena {
    /// Under load: the primary goes, and two seconds later its standby takes its place.
    fileprivate func failover(
        seconds: Double,
        _ isShort: Bool,
        _ end: () async throws -> Void
    ) async throws -> Findings {
        let standby = try self.standbyInUse()
        async let work = self.load(150, seconds: seconds, milliseconds: 30)
        async let once = self.load(20, seconds: seconds, node: "once", milliseconds: 30)
        try await Task.sleep(for: .seconds(2))
        try await end()
        let ended = Arena.now
        try await Task.sleep(for: .seconds(2))
        try await standby.promote()
        // Nobody stands by the new primary.
        try await self.moved(to: standby)
        let (right, onceRight) = try await (work, once)
        var findings = Findings()
        findings.expect(right.isRight, "\(right.sent - right.answered) bot breaks")
        let slowest = max(right.latency.max, onceRight.latency.max)
        findings.expect(
            inTime: slowest <= 15_000,
            loosely: slowest <= 20_000,
            isShort,
            "a call took \(Int(slowest)) ms, expected 15,000 at most"
        )
        findings.worstRecovery = self.history.calls.lazy.filter { $0.record.due <= ended }
            .map { Double($0.record.ended) - Double(ended) }.max().map { $0 / 1e6 }
        findings.notes = ["at-most-once answered \(onceRight.answered) of \(onceRight.sent)"]
        return findings
    }
}
