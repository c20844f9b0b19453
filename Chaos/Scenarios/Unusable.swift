import LoadGenerator
import LocalPostgres
import RejoinderMetrics
import Stage

extension Scenario {
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

    static let blackHole = Scenario(
        name: "black-hole",
        title: "a network that swallows all connections to the database, old and new, without a word",
        ingressArguments: ["--database-wait", "3s"],
        mayRefuse: true,
        hasProxy: true,
        signs: [
            .falls(.databaseUp),
            .rises(.databaseConnectionsLost),
            .rises(.calls, ["code=\"database_away\""]),
            .isShown("The database has been away since"),
        ]
    ) { arena, isShort in
        let proxy = try arena.proxyInUse()
        // A statement is waited for, and then a new connection, before it is known: see `unusable`.
        return try await arena.unusable(for: isShort ? 24 : 60, isShort, known: 17) {
            proxy.swallowAll()
        } again: {
            proxy.swallowNoMore()
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
        return try await arena.unusable(for: isShort ? 10 : 60, isShort, isRefusing: true) {
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
        try await arena.unusable(for: isShort ? 12 : 60, isShort, isRefusing: true) {
            Disk.fill(Arena.disk(in: arena.folder))
        } again: {
            Disk.free(Arena.disk(in: arena.folder))
            // A server that could not write its log has stopped.
            if !arena.database.cluster.isRunning { try await arena.database.cluster.start() }
        }
    }
}

extension Arena {
    /// What must be seen while the database is of no use, and after it.
    ///
    /// The ingresses wait for it for 3 s, and are ready for as long: after `known` seconds all know, none is ready, and a call
    /// that comes later is refused at once. One that `isRefusing` takes connections and refuses statements, so that a
    /// worker without an event may not notice.
    fileprivate func unusable(
        for seconds: Int,
        _ isShort: Bool,
        isRefusing: Bool = false,
        known: Double = 5,
        _ begin: () async throws -> Void,
        again: () async throws -> Void
    ) async throws -> Findings {
        var findings = Findings()
        async let load = self.load(100, seconds: Double(seconds) + 8, milliseconds: 20)
        try await Task.sleep(for: .seconds(2))
        try await begin()
        let began = Self.now
        for ingress in self.ingresses {
            try await self.eventually("an ingress says that it is not ready", within: .seconds(seconds - 1)) {
                try await !self.isReady(ingress)
            }
        }
        let took = Double(Self.now - began) / 1e9
        findings.expect(
            inTime: took <= known,
            loosely: took <= known + 4,
            isShort,
            "an ingress said after \(took) s that it is not ready, expected \(known)"
        )
        try await Task.sleep(for: .seconds(Double(seconds) - took))
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
        findings.note(self.history.calls, from: began + UInt64(known * 1e9), to: ended, isShort)
        for ingress in self.ingresses { findings.expectOneLine(each: ingress.member, isRefusing: false) }
        for worker in self.workers { findings.expectOneLine(each: worker, isRefusing: isRefusing) }
        return findings
    }
}

extension Findings {
    /// What became of the calls while it was known that the database is away, and after its return.
    fileprivate mutating func note(_ calls: [History.Call], from known: UInt64, to ended: UInt64, _ isShort: Bool) {
        let during = calls.filter { $0.record.due > known && $0.record.due < ended - 1_000_000_000 }
        self.expect(!during.isEmpty, "nobody called while it was known")
        let slow = { (milliseconds: Double) in during.count { $0.milliseconds > milliseconds } }
        self.expect(
            inTime: slow(250) == 0,
            loosely: slow(2000) == 0,
            isShort,
            "\(slow(250)) of \(during.count) calls were not refused at once"
        )
        self.expect(during.allSatisfy { $0.status == 503 }, "calls got another status than 503")
        let refused = { (seconds: UInt64) in
            calls.filter { $0.record.due > ended + seconds * 1_000_000_000 && !$0.isAnswered }
        }
        self.expect(
            calls.contains { $0.record.due > ended && $0.isAnswered },
            "no call was answered after its return"
        )
        self.expect(
            inTime: refused(3).isEmpty,
            loosely: refused(5).isEmpty,
            isShort,
            "\(refused(3).count) calls were refused 3 s after its return"
        )
        self.worstRecovery = refused(0).map { Double($0.record.due - ended) / 1e6 }.max() ?? 0
    }

    /// A line when the database goes and one when it is back, and none per try.
    fileprivate mutating func expectOneLine(each member: Member, isRefusing: Bool) {
        let lines = member.said.split(separator: "\n")
        let away = lines.count { $0.contains("database is away") }
        let back = lines.count { $0.contains("database is back") }
        self.expect(
            isRefusing ? away <= 1 && back <= away : away == 1 && back == 1,
            "process \(member.pid) has said \(away) times that the database is away, and \(back) times that it is back"
        )
        let others = lines.filter {
            !$0.contains("no reply") && ($0.contains("warning") || $0.contains("error"))
        }
        self.expect(
            others.count <= 6,
            "process \(member.pid) has said \(others.count) lines of it, such as \(others.last ?? "")"
        )
    }
}
