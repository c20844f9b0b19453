import LoadGenerator
import LocalPostgres
import RejoinderMetrics
import Stage

extension Scenario {
    static let failover = Scenario(
        name: "failover",
        title: "the primary is killed and its standby promoted; two hosts in DATABASE_URL",
        hasStandby: true,
        signs: [
            .falls(.databaseUp),
            .rises(.databaseConnectionsLost),
            .isShown("The database has been away since"),
            .isShown("database <code>connection_lost</code>"),
        ]
    ) { arena, isShort in
        let standby = try arena.standbyInUse()
        async let work = arena.load(150, seconds: isShort ? 8 : 30, milliseconds: 30)
        async let once = arena.load(20, seconds: isShort ? 8 : 30, node: "once", milliseconds: 30)
        try await Task.sleep(for: .seconds(2))
        try await arena.database.cluster.kill()
        let killed = Arena.now
        try await Task.sleep(for: .seconds(1))
        try await standby.promote()
        // Nobody stands by the new primary.
        try await arena.moved(to: standby)
        let (right, onceRight) = try await (work, once)
        var findings = Findings()
        findings.expect(right.isRight, "\(right.sent - right.answered) bot breaks")
        findings.worstRecovery = arena.history.calls.lazy.filter { $0.record.due <= killed }
            .map { Double($0.record.ended) - Double(killed) }.max().map { $0 / 1e6 }
        findings.notes = ["at-most-once answered \(onceRight.answered) of \(onceRight.sent)"]
        return findings
    }
}
