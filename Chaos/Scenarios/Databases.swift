import LoadGenerator
import LocalPostgres
import RejoinderMetrics
import Stage

extension Scenario {
    static let crashedDatabase = Scenario(
        name: "crashed-database",
        title: "PostgreSQL stopped with -m immediate, and started again after 5 s; 500 calls/s",
        signs: [
            .falls(.databaseUp),
            .rises(.databaseConnectionsLost),
            .isShown("The database has been away since"),
            .isShown("database <code>connection_lost</code>"),
        ]
    ) { arena, isShort in
        async let load = arena.load(500, seconds: isShort ? 14 : 30, milliseconds: 20)
        async let once = arena.load(20, seconds: isShort ? 14 : 30, node: "once", milliseconds: 100)
        try await Task.sleep(for: .seconds(2))
        try await arena.database.cluster.stop(.immediate)
        try await Task.sleep(for: .seconds(5))
        try await arena.database.cluster.start()
        let started = Arena.now
        let (result, onceResult) = try await (load, once)
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) bot breaks")
        findings.expect(
            onceResult.isRight,
            "\(onceResult.sent - onceResult.answered) bot breaks of at-most-once events"
        )
        let slow = { (seconds: UInt64, milliseconds: Double) in
            arena.history.calls.count {
                $0.record.due > started + seconds * 1_000_000_000 && $0.milliseconds > milliseconds
            }
        }
        findings.expect(
            inTime: slow(2, 1000) == 0,
            loosely: slow(5, 5000) == 0,
            isShort,
            "\(slow(2, 1000)) calls took more than 1 s, 2 s after the start"
        )
        findings.worstRecovery = arena.history.calls.lazy.filter { $0.record.due <= started }
            .map { Double($0.record.ended) - Double(started) }.max().map { $0 / 1e6 }
        return findings
    }

    static let terminatedBackends = Scenario(
        name: "terminated-backends",
        title: "every server process of ours terminated, every 2 s",
        signs: [
            .rises(.databaseConnectionsLost),
            .isShown("database <code>connection_lost</code>"),
        ]
    ) { arena, isShort in
        let seconds = isShort ? 7.0 : 60
        async let load = arena.load(200, seconds: seconds, milliseconds: 50)
        async let once = arena.load(20, seconds: seconds, node: "once", milliseconds: 50)
        for _ in 0..<Int(seconds / 2) - 1 {
            try await Task.sleep(for: .seconds(2))
            try await arena.database.query(
                """
                select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where backend_type = 'client backend' and pid <> pg_backend_pid()
                """
            )
        }
        let (result, onceResult) = try await (load, once)
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) bot breaks")
        findings.expect(
            onceResult.isRight,
            "\(onceResult.sent - onceResult.answered) bot breaks of at-most-once events"
        )
        return findings
    }
}
