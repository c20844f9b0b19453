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
            .rises(.databaseReconnects),
            .isShown("The database has been away since"),
            .isShown("database <code>connection_lost</code>"),
        ]
    ) { arena, isShort in
        async let load = arena.load(500, seconds: isShort ? 14 : 30, milliseconds: 20)
        try await Task.sleep(for: .seconds(2))
        try await arena.database.cluster.stop(.immediate)
        try await Task.sleep(for: .seconds(5))
        try await arena.database.cluster.start()
        let started = Arena.now
        let result = try await load
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) bot breaks")
        let slow = arena.history.calls.filter { $0.record.due > started + 2_000_000_000 && $0.milliseconds > 1000 }
        findings.expect(inTime: slow.isEmpty, isShort, "\(slow.count) calls took more than 1 s, 2 s after the start")
        findings.worstRecovery = arena.history.calls.lazy.filter { $0.record.due <= started }
            .map { Double($0.record.ended) - Double(started) }.max().map { $0 / 1e6 }
        return findings
    }

    static let terminatedBackends = Scenario(
        name: "terminated-backends",
        title: "every server process of ours terminated, every 2 s",
        signs: [
            .rises(.databaseReconnects),
            .isShown("database <code>connection_lost</code>"),
        ]
    ) { arena, isShort in
        let seconds = isShort ? 7.0 : 60
        async let load = arena.load(200, seconds: seconds, milliseconds: 50)
        for _ in 0..<Int(seconds / 2) - 1 {
            try await Task.sleep(for: .seconds(2))
            try await arena.database.query(
                """
                select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where backend_type = 'client backend' and pid <> pg_backend_pid()
                """
            )
        }
        let result = try await load
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) bot breaks")
        return findings
    }

    static let databaseAway = Scenario(
        name: "database-away",
        title: "the database cannot be reached, longer than callers wait for it",
        ingressArguments: ["--database-wait", "3s"],
        mayRefuse: true,
        signs: [
            .falls(.databaseUp),
            .rises(.calls, ["code=\"database_away\""]),
            .isShown("The database has been away since"),
            .isShown("call <code>database_away</code>"),
        ]
    ) { arena, isShort in
        try await arena.unusable(for: isShort ? 10 : 60, isShort) {
            try await arena.database.cluster.stop(.immediate)
        } again: {
            try await arena.database.cluster.start()
        }
    }

    static let readOnlyDatabase = Scenario(
        name: "read-only-database",
        title: "the database takes no writes",
        ingressArguments: ["--database-wait", "3s"],
        mayRefuse: true,
        signs: [
            .falls(.databaseUp),
            .rises(.calls, ["code=\"database_away\""]),
            .isShown("call <code>database_away</code>"),
        ]
    ) { arena, isShort in
        func set(_ value: String) async throws {
            // A session's own setting comes before the system's, so that this can be said to a read-only server.
            try await arena.database.query(
                "alter system set default_transaction_read_only = \(value)",
                "select pg_reload_conf()"
            )
        }
        return try await arena.unusable(for: isShort ? 10 : 60, isShort) {
            try await set("on")
        } again: {
            try await set("off")
        }
    }
}

extension Scenario {
    static let noConnections = Scenario(
        name: "no-connections",
        title: "the server has no connection left, and those that were there are gone",
        ingressArguments: ["--database-wait", "3s"],
        mayRefuse: true,
        signs: [
            .falls(.databaseUp),
            .rises(.calls, ["code=\"database_away\""]),
            .isShown("The database has been away since"),
            .isShown("call <code>database_away</code>"),
        ]
    ) { arena, isShort in
        try await arena.unusable(for: isShort ? 10 : 60, isShort) {
            try await arena.database.query(
                "alter database postgres connection limit 0",
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename like 'chaos%'"
            )
        } again: {
            try await arena.database.query("alter database postgres connection limit -1")
        }
    }

    static let fullDisk = Scenario(
        name: "full-disk",
        title: "PostgreSQL's disk is full to the last byte",
        ingressArguments: ["--database-wait", "3s"],
        mayRefuse: true,
        disk: 400,
        signs: [
            .falls(.databaseUp),
            .rises(.calls, ["code=\"database_away\""]),
            .isShown("call <code>database_away</code>"),
        ]
    ) { arena, isShort in
        // What is in the log when a disk fills up can be lost with it; what has been answered cannot.
        try await arena.unusable(for: isShort ? 12 : 60, isShort) {
            Disk.fill(arena.folder)
        } again: {
            Disk.free(arena.folder)
            // A server that could not write its log has stopped.
            if !arena.database.cluster.isRunning { try await arena.database.cluster.start() }
        }
    }
}

extension Arena {
    /// What must be seen while the database is of no use, and after it.
    ///
    /// The ingresses wait for it for 3 s.
    fileprivate func unusable(
        for seconds: Int,
        _ isShort: Bool,
        _ begin: () async throws -> Void,
        again: () async throws -> Void
    ) async throws -> Findings {
        var findings = Findings()
        async let load = self.load(100, seconds: Double(seconds) + 8, milliseconds: 20)
        try await Task.sleep(for: .seconds(2))
        try await begin()
        let began = Self.now
        try await Task.sleep(for: .seconds(seconds))
        for ingress in self.ingresses {
            findings.expect(try await !self.isReady(ingress), "an ingress says that it is ready")
        }
        let ended = Self.now
        try await again()
        _ = try await load
        for ingress in self.ingresses {
            try await self.eventually("an ingress is ready again", within: .seconds(5)) {
                try await self.isReady(ingress)
            }
        }
        let calls = self.history.calls
        // By then all know; a call that comes later is refused at once.
        let during = calls.filter { $0.record.due > began + 5_000_000_000 && $0.record.due < ended - 1_000_000_000 }
        let slow = during.filter { $0.milliseconds > 250 }
        findings.expect(
            inTime: slow.isEmpty,
            isShort,
            "\(slow.count) of \(during.count) calls were not refused at once"
        )
        findings.expect(during.allSatisfy { $0.status == 503 }, "calls got another status than 503")
        let after = calls.filter { $0.record.due > ended + 3_000_000_000 }
        findings.expect(after.contains(where: \.isAnswered), "no call was answered after its return")
        findings.expect(inTime: after.allSatisfy(\.isAnswered), isShort, "calls were refused 3 s after its return")
        findings.worstRecovery =
            calls.filter { $0.record.due > ended && !$0.isAnswered }
            .map { Double($0.record.due - ended) / 1e6 }.max() ?? 0
        for ingress in self.ingresses {
            let lines = ingress.member.said.split(separator: "\n").filter {
                !$0.contains("no reply") && ($0.contains("warning") || $0.contains("error") || $0.contains(" is back"))
            }
            findings.expect(
                lines.count <= 8,
                "an ingress has said \(lines.count) lines of it, such as \(lines.last ?? "")"
            )
        }
        return findings
    }
}
