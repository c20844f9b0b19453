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
            .rises(.databaseReconnects),
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

    static let migration = Scenario(
        name: "migration",
        title: "rejoinder migrate again and again while old processes run",
        ingresses: 2,
        workers: 2,
        signs: []
    ) { arena, isShort in
        async let load = arena.load(200, seconds: isShort ? 5 : 20, milliseconds: 20)
        for _ in 0..<(isShort ? 3 : 10) {
            try await Task.sleep(for: .milliseconds(700))
            try await arena.fleet.migrate(databaseURL: arena.database.url)
        }
        let result = try await load
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) calls failed")
        // A program whose schema is not there yet refuses to start, in one line.
        try await arena.database.query("create database older")
        let early = try await arena.fleet.start(
            Programs.rejoinder,
            ["ingress", "--http-port", "0", "--admin-port", "0"],
            environment: [
                "DATABASE_URL": try arena.database.cluster.connectionString(database: "older"),
                "REJOINDER_SECRET": Arena.secret,
            ]
        )
        let line = try await early.line(containing: "rejoinder migrate")
        await early.end()
        findings.notes = ["a program without its schema says: \(line)"]
        return findings
    }
}
