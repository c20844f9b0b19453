import LoadGenerator
import LocalPostgres
import Stage

extension Scenario {
    static let migration = Scenario(
        name: "migration",
        title: "the schema changes while old processes run; programs whose schema is not there yet refuse to start",
        ingresses: 2,
        workers: 2,
        signs: []
    ) { arena, isShort in
        let old = arena.workers
        async let load = arena.load(200, seconds: isShort ? 7 : 20, milliseconds: 20)
        async let once = arena.load(20, seconds: isShort ? 7 : 20, node: "once", milliseconds: 20)
        for _ in 0..<(isShort ? 2 : 8) {
            try await Task.sleep(for: .milliseconds(700))
            try await arena.fleet.migrate(databaseURL: arena.database.url)
        }
        // As a later migration would: a column more, and functions in a new form.
        let functions = try await arena.database.query(
            """
            select string_agg(pg_get_functiondef(oid), E';\\n') from pg_proc
             where pronamespace = 'rejoinder'::regnamespace and proname in ('claim', 'answer')
            """
        )
        try await arena.database.query(
            "begin; alter table rejoinder.live add column note text default 'later'; \(functions); commit"
        )
        let new = try await arena.addWorker()
        try await Task.sleep(for: .seconds(1))
        for worker in old {
            worker.requestEnd()
            await worker.end()
        }
        let (result, onceResult) = try await (load, once)
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) calls failed")
        findings.expect(onceResult.isRight, "\(onceResult.sent - onceResult.answered) at-most-once calls failed")
        findings.expect(
            try arena.runs().contains { $0.worker == new.pid },
            "the worker that came after the change has run nothing"
        )
        findings.notes = [
            "a program without its schema says: \(try await arena.refusal(in: "older"))",
            "a program whose schema lacks a migration says: \(try await arena.refusal(in: "lacking", lacking: true))",
        ]
        return findings
    }
}

extension Arena {
    /// What a program says that is started on a database without a schema, or with one that lacks the latest migration.
    fileprivate func refusal(in database: String, lacking: Bool = false) async throws -> Substring {
        let url = try self.database.cluster.connectionString(database: database)
        try await self.database.query("create database \(database)")
        if lacking {
            try await self.fleet.migrate(databaseURL: url)
            try await self.database.query(
                "\\connect \(database)",
                "delete from rejoinder.migration where version = (select max(version) from rejoinder.migration)"
            )
        }
        let early = try await self.fleet.start(
            Programs.rejoinder,
            ["ingress", "--http-port", "0", "--admin-port", "0"],
            environment: ["DATABASE_URL": url, "REJOINDER_SECRET": Self.secret],
            endsWith: 78
        )
        await early.end()
        let expected = lacking ? "lacks migration" : "there is no schema"
        return try await early.line(containing: expected)
    }
}
