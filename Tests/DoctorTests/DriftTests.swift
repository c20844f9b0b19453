import Doctor
import EventQueue
import PostgresClient
import TestSupport
import Testing

@Suite("What somebody has altered in the schema is named, and can be put back", .timeLimit(.minutes(10)))
struct DriftTests {
    @Test("a schema as it was migrated is fine, also for logins that may do one job only")
    func fine() async throws {
        try await TestCluster.withDatabase { database in
            #expect(try await database.finding("drift").verdict == .ok)
            for role in QueueRole.allCases {
                let member = try await database.asMember(of: role.name)
                #expect(try await member.finding("drift").verdict == .ok)
                #expect(try await member.finding("schema").verdict == .ok)
                #expect(try await member.finding("grants").summary.contains(role.rawValue))
            }
        }
    }

    @Test("a schema that was dumped and restored is fine: its views read as they are written by PostgreSQL")
    func restored() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query(
                """
                do $$
                declare
                    view regclass;
                begin
                    for view in
                        select oid from pg_class where relnamespace = 'rejoinder'::regnamespace and relkind = 'v' order by oid
                    loop
                        execute format('create or replace view %s as %s', view, pg_get_viewdef(view));
                    end loop;
                end $$
                """
            )
            #expect(try await database.finding("drift").verdict == .ok)
        }
    }

    /// What is done to the schema, and what is then said of it; its remedies undo it.
    private static let alterations: [(sql: String, summary: String, verdict: Finding.Verdict)] = [
        (
            "create or replace function rejoinder.high_water() returns bigint language sql as 'select 0::bigint'",
            "function rejoinder.high_water() was altered", .broken
        ),
        ("drop index rejoinder.live_queue", "index rejoinder.live_queue is missing", .broken),
        (
            "drop index rejoinder.live_queue; create index live_queue on rejoinder.live (place)",
            "index rejoinder.live_queue was altered", .broken
        ),
        (
            "update pg_index set indisvalid = false where indexrelid = 'rejoinder.live_queue'::regclass",
            "index rejoinder.live_queue is invalid", .broken
        ),
        (
            """
            create or replace view rejoinder.help as
            select 'x'::text as what, 'y'::text collate "C" as name, 'z'::text collate "C" as explanation
            """,
            "view rejoinder.help was altered", .broken
        ),
        (
            "alter table rejoinder.live alter column code set default 'x'", "column rejoinder.live.code was altered",
            .broken
        ),
        ("alter table rejoinder.live drop column error cascade", "column rejoinder.live.error is missing", .broken),
        (
            "alter table rejoinder.live add column more text", "column rejoinder.live.more is not of this schema",
            .warning
        ),
        (
            "alter table rejoinder.lane drop constraint lane_has_slots",
            "constraint rejoinder.lane.lane_has_slots is missing",
            .broken
        ),
        ("alter table rejoinder.lane disable trigger all", "triggers of rejoinder.lane are disabled", .broken),
        (
            """
            create trigger t before update on rejoinder.live
               for each row execute function suppress_redundant_updates_trigger()
            """,
            "trigger rejoinder.live.t is not of this schema", .warning
        ),
        ("alter table rejoinder.live set unlogged", "table rejoinder.live is unlogged", .broken),
        ("alter sequence rejoinder.place cache 100", "sequence rejoinder.place was altered", .broken),
        ("create function rejoinder.mine() returns int language sql as 'select 1'", "is not of this schema", .warning),
        (
            "grant execute on function rejoinder.give_up to public",
            "grant execute on routine rejoinder.give_up(integer[],boolean,timestamp with time zone) to public is not of this",
            .warning
        ),
    ]

    @Test("each thing that was altered is named, and the line that is given mends it", arguments: 0..<alterations.count)
    func altered(_ index: Int) async throws {
        let (sql, summary, verdict) = Self.alterations[index]
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.run(script: sql, timeout: .seconds(10))
            let findings = await database.findings("drift", quickly: true)
            let finding = try #require(findings.first { $0.summary.contains(summary) }, "\(findings)")
            #expect(finding.verdict == verdict)
            #expect(findings.allSatisfy { $0.verdict != .ok && !$0.summary.contains("\n") && $0.remedy != nil })

            // The views that went with a column come back in another round; two are enough.
            for _ in 0..<3 {
                for found in await database.findings("drift") where found.verdict != .ok {
                    try await Self.mend(try #require(found.remedy), on: connection)
                }
            }
            try await Schema(connection).migrate()
            let left = await database.findings("drift")
            #expect(left.map(\.verdict) == [.ok], "\(left)")
        }
    }

    /// Does what psql does: runs the line, or what it selects.
    private static func mend(_ remedy: String, on connection: PostgresConnection) async throws {
        guard remedy != "rejoinder migrate" else { return }
        let end = remedy.firstRange(of: #" \gexec"#)?.lowerBound
        let sql = end.map { String(remedy[..<$0]) } ?? remedy
        guard end != nil else {
            try? await connection.run(script: sql, timeout: .seconds(10))
            return
        }
        let statement = try #require(try await connection.query(sql).first?[0])
        try? await connection.run(script: statement, timeout: .seconds(10))
    }

    @Test("a missing grant is broken, and migrate gives it again; it doesn't put on record what was altered before")
    func migrateLeavesDrift() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let revoke = "revoke execute on function rejoinder.drop_expired from rejoinder_worker"
            try await connection.run(script: revoke, timeout: .seconds(10))
            let grant = try await database.finding("drift")
            #expect(grant.verdict == .broken)
            let missing = "execute on routine rejoinder.drop_expired() to rejoinder_worker is missing"
            #expect(grant.summary.contains(missing))
            #expect(grant.remedy == "rejoinder migrate")
            try await connection.run(script: "drop index rejoinder.live_queue", timeout: .seconds(10))
            try await Schema(connection).migrate()
            #expect(await database.findings("drift").map(\.summary) == ["index rejoinder.live_queue is missing"])
        }
    }

    @Test("what another major version has put on record isn't compared, until migrate puts it on record again")
    func otherVersion() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query("update rejoinder.definition set server = 9")
            let finding = try await database.finding("drift")
            #expect(finding.verdict == .warning)
            #expect(finding.remedy == "rejoinder migrate")
            try await Schema(try await database.connect()).migrate()
            #expect(try await database.finding("drift").verdict == .ok)
        }
    }

    @Test("a schema of another line than the program's is broken")
    func otherLine() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query("update rejoinder.migration set checksum = 'x' where version = 2")
            let finding = try await database.finding("schema")
            #expect(finding.verdict == .broken)
            #expect(finding.summary.contains("migration 2 (processes) was applied in another form"))
        }
    }

    @Test("without a schema, or with an older one, one line says what to run, and the rest is skipped")
    func noSchema() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let finding = try await database.finding("schema")
            #expect(finding.verdict == .broken)
            #expect(finding.remedy == "rejoinder migrate")
            #expect(try await database.finding("drift").verdict == .skipped)
        }
        try await TestCluster.withDatabase { database in
            try await database.query("delete from rejoinder.migration where version = 6")
            #expect(try await database.finding("schema").summary.contains("lacks migration 6 (views)"))
        }
    }
}
