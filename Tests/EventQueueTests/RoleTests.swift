import LocalPostgres
import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("A login can do its role's job, and nothing else", .timeLimit(.minutes(10)))
struct RoleTests {
    /// What somebody else may call, with arguments that do no harm.
    private static let calls: [(sql: String, roles: Set<QueueRole>)] = [
        ("select rejoinder.enqueue(1, '{}', '{}', '{}', '{}', '{}')::text", [.ingress]),
        ("select id::text from rejoinder.results('{}')", [.ingress]),
        ("select abandoned::text from rejoinder.abandon('{}', '{}', '{}')", [.ingress]),
        ("call rejoinder.abandon_and_tell('{}', '{}', '{}')", [.ingress]),
        ("select rejoinder.call_off('{}', '{}')::text", [.ingress]),
        ("select rejoinder.unserved('{}')::text", [.ingress]),
        ("select rejoinder.glance()::text", [.ingress]),
        ("select node from rejoinder.minutes(now(), now())", [.ingress]),
        ("select rejoinder.sight(null)::text", [.ingress]),
        ("select metric from rejoinder.vitals() limit 1", [.ingress]),
        ("select rejoinder.wake('{}')::text", [.ingress, .worker]),
        ("select rejoinder.recover()::text", [.ingress, .worker]),
        ("select rejoinder.tidy()::text", [.ingress, .worker]),
        ("select rejoinder.listen('x')::text", [.ingress, .worker]),
        ("select rejoinder.channel(0)", []),
        ("select channel from rejoinder.listener", []),
        ("select rejoinder.drop_expired()::text", [.ingress, .worker]),
        ("select rejoinder.heartbeat(0, 0)::text", [.ingress, .worker]),
        ("select rejoinder.deregister(0)::text", [.ingress, .worker]),
        ("select id::text from rejoinder.claim(0, '{x}', 1)", [.worker]),
        ("select id::text from rejoinder.answer(0, '{}', '{}', '{}', '{}', '{}', '{}')", [.worker]),
        ("select id::text from rejoinder.held(0)", [.worker]),
        ("select rejoinder.release(0, '{}', '{}')::text", [.worker]),
        ("select rejoinder.high_water()::text", []),
        ("select rejoinder.settle('{}')::text", [.worker]),
        ("select id::text from rejoinder.queue", [.operator, .reader]),
        ("select node from rejoinder.overview", [.operator, .reader]),
        ("select name from rejoinder.workers", [.operator, .reader]),
        ("select name from rejoinder.help", [.operator, .reader]),
        ("select error from rejoinder.recent limit 1", [.operator, .reader]),
        ("select state::text from rejoinder.event limit 1", [.operator, .reader]),
        ("select answer::text from rejoinder.recent", [.operator]),
        ("select answer::text from rejoinder.event", [.operator]),
        ("select payload::text from rejoinder.received", [.operator]),
        ("select rejoinder.set_retention('3 days')::text", [.operator]),
        ("update rejoinder.setting set retention = '3 days'", []),
        ("select rejoinder.pause('x')", [.operator]),
        ("select rejoinder.resume('x')", [.operator]),
        ("select rejoinder.limit('x', 1, null)", [.operator]),
        ("select node from rejoinder.nodes", [.operator, .reader]),
        ("select action from rejoinder.audit", [.operator]),
        ("delete from rejoinder.audit", []),
        ("update rejoinder.node set waits = true", []),
        ("select node from rejoinder.node_limit", []),
        ("select rejoinder.note('a', 'b')::text", []),
        ("update rejoinder.setting set only_row = true", []),
        ("select id::text from rejoinder.live", []),
        ("select id::text from rejoinder.outcome", []),
        ("delete from rejoinder.received", []),
        ("select name from rejoinder.process", []),
        ("select nextval('rejoinder.place')::text", []),
        ("select id::text from rejoinder.finish('{}', '{}', '{}')", []),
        ("select rejoinder.give_up('{}', true)::text", []),
        ("select rejoinder.bury()::text", []),
        ("select rejoinder.secure()::text", []),
        ("select rejoinder.sees_snapshots()::text", [.operator, .reader]),
        ("create table rejoinder.other ()", []),
        ("insert into rejoinder.migration values (99, 'x', 'x')", []),
        ("select name from rejoinder.migration", Set(QueueRole.allCases)),
        ("select name from rejoinder.definition", Set(QueueRole.allCases)),
        ("select name from rejoinder.definitions()", Set(QueueRole.allCases)),
        ("select rejoinder.record_definitions(null)::text", []),
    ]

    @Test("each may do what is its own, and is refused the rest", arguments: QueueRole.allCases)
    func privileges(of role: QueueRole) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.asMember(of: role.name).connect()
            for (sql, roles) in Self.calls {
                do throws(PostgresError) {
                    try await connection.query(sql)
                    #expect(roles.contains(role), "\(role) could: \(sql)")
                } catch {
                    #expect(error.sqlState == PostgresError.insufficientPrivilege, "\(sql): \(error)")
                    #expect(!roles.contains(role), "\(role) could not: \(sql): \(error)")
                }
            }
            try await Schema(connection).check(for: role)
            for other in QueueRole.allCases where other != role && !(other == .reader && role == .operator) {
                let error = try await #require(throws: QueueError.self) {
                    try await Schema(connection).check(for: other)
                }
                #expect(error.code == .notGranted)
            }
        }
    }

    @Test("a member of no role may do nothing, and is told what to run")
    func stranger() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.asMember().connect()
            for (sql, _) in Self.calls {
                let error = try await #require(throws: PostgresError.self) { try await connection.query(sql) }
                #expect(error.sqlState == PostgresError.insufficientPrivilege, "\(sql): \(error)")
            }
            let error = try await #require(throws: QueueError.self) { try await Schema(connection).check(for: .worker) }
            #expect(error.code == .notGranted)
            #expect(
                error.description == "this login may not use the queue as worker: run `rejoinder grant LOGIN worker`"
            )
        }
    }

    @Test("ingress and worker do their whole jobs as members: answer, retry, abandon, hang-up, drain, housekeeping")
    func path() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.asMember(of: "rejoinder_ingress")
            let worker = try await database.asMember(of: "rejoinder_worker")
            try await Rig.run(in: ingress) { rig in
                let running = RunningWorker(worker) { claim in
                    switch claim.node {
                    case "failing": claim.attempt == 1 ? .retry(code: "once", error: "again") : .answered(claim.payload)
                    case "hanging": nil
                    default: .answered(claim.payload)
                    }
                }
                try await eventually("the worker is ready") { running.queue.isReady }
                let events = (0..<50).map { NewEvent.sample(text: "\($0)") }
                #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                let large = NewEvent.sample(text: String(repeating: "x", count: 9000))
                #expect(await rig.outcome(of: large).text == large.text)
                await running.stop()

                #expect(running.recorder.complaints == [])
                // Nobody serves it any more.
                #expect(await rig.outcome(of: .sample()) == .unserved)
                #expect(rig.recorder.complaints == [])
            }
            let stopped = try await database.query("select role from rejoinder.process where stopped_at is not null")
            #expect(Set(stopped.map { $0[0] }) == ["ingress", "worker"])
        }
    }

    @Test("the functions off the path work for their roles: session locks, notifications, partitions")
    func offThePath() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.asMember(of: "rejoinder_ingress").connect()
            let worker = try await database.asMember(of: "rejoinder_worker").connect()
            let ears = try await database.asMember(of: "rejoinder_worker").connect()
            let process = try await ingress.register(.ingress).process
            let registered = try await worker.register(.worker, [.sample()])
            #expect(try await ingress.heartbeat(process).maintains)
            #expect(try await worker.heartbeat(registered.process).live)
            let channel = try #require(
                try await database.query("select rejoinder.channel(\(registered.process))")[0][0]
            )
            let wakes = try await ears.notifications(at: channel)
            try await worker.execute(.attend(lane: registered.lanes[0], .idle))
            let locks =
                "select count(*)::text from pg_locks where locktype = 'advisory' and database = "
                + "(select oid from pg_database where datname = current_database())"
            #expect(try await database.query(locks) == [["4"]])  // alive twice, maintenance, idle

            // More than an idle lane is handed.
            let ids = try await ingress.enqueue((0..<17).map { _ in .sample() }, ingress: process)
            #expect(try await wakes.next() == "wake \(registered.lanes[0])")
            let claims = try await worker.claim(registered.process, count: 2)
            #expect(claims.map(\.id) == Array(ids.prefix(2)))
            #expect(try await worker.execute(.held(worker: registered.process)).count == 2)
            #expect(try await worker.release(registered.process, [claims[1]]) == 1)
            #expect(try await worker.execute(.passOn(lane: registered.lanes[0], after: 0)).count == 1)
            #expect(try await ingress.abandon([(ids[0], .hungUp)]) == [ids[0]])
            #expect(try await wakes.next { $0.hasPrefix("cancel") ? $0 : nil } == "cancel \(ids[0])")
            #expect(try await ingress.execute(.results(ids)).count == 1)

            let tomorrow = try await Self.tomorrow(database)
            try await database.query("drop table rejoinder.outcome_\(tomorrow)")
            #expect(try await worker.execute(PostgresCall(Statements.tidy)).integer(0, 0, as: Int32.self) == 1)
            let owners = try await database.query(
                "select distinct tableowner::text from pg_tables where schemaname = 'rejoinder'"
            )
            #expect(owners == [["postgres"]])
        }
    }

    private static func tomorrow(_ database: TestDatabase) async throws -> String {
        let rows = try await database.query("select to_char(now() at time zone 'UTC' + interval '1 day', 'YYYYMMDD')")
        return try #require(rows.first?.first ?? nil)
    }

    @Test("an operator cancels, retries and answers by hand; a reader sees the status screen")
    func people() async throws {
        try await TestCluster.withDatabase { database in
            let owner = try await database.connect()
            let ids = try await owner.enqueue([.sample(), .sample()], ingress: 1)
            let person = try await database.asMember(of: "rejoinder_operator").connect()
            #expect(try await person.query("select rejoinder.cancel('\(ids[0])')::text") == [["cancelled"]])
            #expect(try await person.query("select rejoinder.retry('\(ids[0])')::text") == [["queued"]])
            #expect(
                try await person.query("select rejoinder.answer_by_hand('\(ids[1])', 'hi')::text") == [["answered"]]
            )
            for role in [QueueRole.operator, .reader] {
                let connection = try await database.asMember(of: role.name).connect()
                try await Schema(connection).check()
                #expect(try await Operator(connection, actor: "a", via: "test").overview().map(\.node) == ["node"])
            }
        }
    }

    @Test("all that a role may call pins its search_path, but for what must run as its caller; PUBLIC may call nothing")
    func hardened() async throws {
        try await TestCluster.withDatabase { database in
            let open = try await database.query(
                """
                select proname::text from pg_proc
                 where pronamespace = 'rejoinder'::regnamespace and has_function_privilege('public', oid, 'execute')
                """
            )
            #expect(open == [])
            let asCaller = try await database.query(
                """
                select p.proname::text
                  from pg_proc as p
                 where p.pronamespace = 'rejoinder'::regnamespace
                   and exists (
                       select from pg_roles as r
                        where r.rolname in ('rejoinder_ingress', 'rejoinder_worker', 'rejoinder_operator', 'rejoinder_reader')
                          and has_function_privilege(r.oid, p.oid, 'execute')
                   )
                   -- definitions() writes names in full: its path has no schema of ours.
                   and not (
                       p.prosecdef
                       and p.proconfig && array['search_path=pg_catalog, rejoinder, pg_temp', 'search_path=pg_catalog, pg_temp']
                   )
                 order by 1
                """
            )
            #expect(
                asCaller.flatMap(\.self) == [
                    "abandon_and_tell", "advice", "answer_and_settle", "enqueue_and_wake", "id_at",
                ]
            )
        }
    }

    @Test("small functions are inlined")
    func inlined() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let plan = try await connection.query(
                """
                explain (verbose)
                select rejoinder.record(u.id, 1::smallint, u.n, u.answer)
                  from unnest('{}'::uuid[], '{}'::json[], '{}'::integer[]) as u (id, answer, n)
                """
            ).flatMap { $0.compactMap(\.self) }.joined(separator: "\n")
            #expect(plan.contains("octet_length") && !plan.contains("record("), "\(plan)")
        }
    }

    @Test(
        "an owner who may not create roles migrates all the same, and is told which are missing; two databases share them"
    )
    func missingRoles() async throws {
        try await TestCluster.withCluster { cluster, administrator in
            for role in QueueRole.allCases {
                try await administrator.query("drop owned by \(role.name)")
                try await administrator.query("drop role \(role.name)")
            }
            try await administrator.query("create role plain login")
            try await administrator.query("create database theirs owner plain")
            let theirs = TestDatabase(url: try cluster.connectionString(database: "theirs", user: "plain"))
            let owner = try await theirs.connect()
            try await Schema(owner).migrate()
            #expect(try await Schema(owner).missingRoles() == QueueRole.allCases)
            try await Schema(owner).check(for: .worker)
            try await owner.enqueue([.sample()], ingress: 1)
            #expect(try await owner.claim(1).count == 1)

            // Somebody who may, in two more databases at once.
            try await administrator.query("create database first")
            try await administrator.query("create database second")
            try await withThrowingDiscardingTaskGroup { group in
                for name in ["first", "second"] {
                    let database = TestDatabase(url: try cluster.connectionString(database: name))
                    group.addTask {
                        let connection = try await database.connect()
                        try await Schema(connection).migrate()
                        #expect(try await Schema(connection).missingRoles() == [])
                    }
                }
            }
            #expect(try await Schema(owner).migrate() == [])
            #expect(try await Schema(owner).missingRoles() == [])
            for name in ["theirs", "first", "second"] {
                let database = TestDatabase(url: try cluster.connectionString(database: name))
                let member = try await database.asMember(of: "rejoinder_worker").connect()
                try await Schema(member).check(for: .worker)
                _ = try await member.claim(1)
            }
        }
    }

    @Test("grant makes a login a member, once, and says what is missing")
    func grant() async throws {
        try await TestCluster.withCluster { _, database in
            let connection = try await database.connect()
            let unknown = try await #require(throws: QueueError.self) {
                try await QueueRole.worker.grant(to: "My App", on: connection)
            }
            #expect(unknown.code == .noSuchRole)
            #expect(
                unknown.description
                    == #"there is no login "My App": make it first with `create role "My App" login password '...'`"#
            )
            try await database.query(#"create role "My App" login"#)
            #expect(try await QueueRole.worker.grant(to: "My App", on: connection))
            #expect(try await !QueueRole.worker.grant(to: "My App", on: connection))
            #expect(
                try await database.query("select pg_has_role('My App', 'rejoinder_worker', 'usage')::text") == [
                    ["true"]
                ]
            )
        }
    }
}
