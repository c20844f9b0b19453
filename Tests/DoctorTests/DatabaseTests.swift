import EventQueue
import LocalPostgres
import PostgresClient
import TestSupport
import Testing

@testable import Doctor

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite("What gets in the queue's way is found", .timeLimit(.minutes(10)))
struct DatabaseTests {
    @Test("a held snapshot, a prepared transaction and a slot that nobody reads are named, with what ends them")
    func horizon() async throws {
        try await TestCluster.withCluster(
            settings: ["fsync": "off", "max_prepared_transactions": "5", "wal_level": "logical"]
        ) { _, database in
            for check in ["snapshots", "prepared transactions", "replication slots"] {
                #expect(try await database.finding(check).verdict == .ok)
            }
            let holder = try await database.connect()
            let script =
                "begin isolation level repeatable read; select 1; set local idle_in_transaction_session_timeout = 0"
            try await holder.run(script: script, timeout: .seconds(5))
            let old = try await database.query(
                "select min(backend_xmin::text) from pg_stat_activity where pid <> pg_backend_pid()"
            )
            #expect(old != [[nil]])
            // It is not a minute old yet; the same statement says so of a second.
            let check = try #require(QueryCheck.all.first { $0.name == "snapshots" })
            let sooner = check.statement.sql.replacing("interval '1 minute'", with: "interval '0'")
            let rows = try await database.query(sooner)
            #expect(rows.count == 1)
            #expect(rows[0][0] == "warning")
            try await database.query(try #require(rows[0][2]).replacing("select ", with: "select 'x', ") + "::text")
            try await eventually("the holder is gone") { try await database.query(sooner)[0][0] == "ok" }

            let preparing = try await database.connect()
            let prepare = "begin; create table public.t (); prepare transaction 'forgotten'"
            try await preparing.run(script: prepare, timeout: .seconds(5))
            let prepared = try #require(QueryCheck.all.first { $0.name == "prepared transactions" })
            let found = try await database.query(
                prepared.statement.sql.replacing("interval '1 minute'", with: "interval '0'")
            )
            #expect(found.map { $0[2] } == ["rollback prepared 'forgotten'"])
            try await preparing.run(script: try #require(found[0][2]), timeout: .seconds(5))

            try await database.query("select pg_create_logical_replication_slot('idle', 'pgoutput')::text")
            let slot = try await database.finding("replication slots")
            #expect(slot.verdict == .warning)
            #expect(slot.summary.hasPrefix("slot idle is read by nobody"))
        }
    }

    @Test("a login without pg_monitor is told what it lacks, and not that all is well")
    func degraded() async throws {
        try await TestCluster.withDatabase { database in
            let member = try await database.asMember(of: "rejoinder_worker")
            let snapshots = try await member.finding("snapshots")
            #expect(snapshots.verdict == .skipped)
            #expect(snapshots.remedy == "grant pg_monitor to member_rejoinder_worker")
            let workers = try await member.finding("workers")
            #expect(workers.verdict == .skipped)
            #expect(workers.remedy == "rejoinder grant LOGIN reader")
            let stranger = try await database.asMember()
            #expect(try await stranger.finding("schema").verdict == .broken)
        }
    }

    @Test("settings of a login that cut the queue off are found, and mended by their line")
    func loginSettings() async throws {
        try await TestCluster.withDatabase { database in
            let login = "doctor_\(UInt32.random(in: 0...UInt32.max))"
            let connection = try await database.connect()
            try await connection.run(
                script: """
                    create role \(login) login connection limit 3; grant rejoinder_worker to \(login);
                    alter role \(login) set statement_timeout = '500ms';
                    alter role \(login) set default_transaction_isolation = 'serializable';
                    """,
                timeout: .seconds(5)
            )
            let findings = await database.login(as: login).findings("login's settings")
            #expect(findings.map(\.verdict) == [.warning, .warning])
            #expect(findings.contains { $0.summary.hasPrefix("statement_timeout is 500 ms for login") })
            for finding in findings {
                try await connection.run(script: try #require(finding.remedy), timeout: .seconds(5))
            }
            #expect(try await database.login(as: login).finding("login's settings").verdict == .ok)
            let few = await database.login(as: login).findings("connections")
            #expect(few.contains { $0.verdict == .warning && $0.summary.contains("may have 3 connections") })
            try await connection.run(script: "drop role \(login)", timeout: .seconds(5))
        }
    }

    @Test("a login whose sessions take no writes is found though it can't connect as it should, and mended by its line")
    func readOnlyLogin() async throws {
        try await TestCluster.withDatabase { database in
            let login = "doctor_\(UInt32.random(in: 0...UInt32.max))"
            let connection = try await database.connect()
            try await connection.run(
                script: """
                    create role \(login) login; grant rejoinder_ingress to \(login);
                    alter role \(login) set default_transaction_read_only = on;
                    """,
                timeout: .seconds(5)
            )
            let readOnly = database.login(as: login)
            let setting = try await readOnly.finding("login's settings")
            #expect(setting.verdict == .broken)
            #expect(setting.summary.hasPrefix("default_transaction_read_only is on for login \(login)"))
            #expect(try await readOnly.finding("schema").verdict == .ok)
            let hosts = await readOnly.findings("hosts", quickly: true)
            #expect(hosts.map(\.verdict) == [.ok, .broken])
            #expect(hosts.last?.summary.hasSuffix("session is read-only") == true)

            try await connection.run(script: try #require(setting.remedy), timeout: .seconds(5))
            #expect(await readOnly.findings("hosts").map(\.verdict) == [.ok])
            #expect(try await readOnly.finding("login's settings").verdict == .ok)
            try await connection.run(script: "drop role \(login)", timeout: .seconds(5))
        }
    }

    @Test("a check that takes too long is a warning, and the next ones are made all the same")
    func lockedTables() async throws {
        try await TestCluster.withDatabase { database in
            let holder = try await database.connect()
            try await holder.run(
                script: """
                    begin; set local idle_in_transaction_session_timeout = 0;
                    lock table rejoinder.definition, rejoinder.process in access exclusive mode
                    """,
                timeout: .seconds(5)
            )
            var impatient = database.configuration
            impatient.statementTimeout = .seconds(1)
            let findings = await Examination(impatient, logger: .quiet).findings(quickly: false)
            await holder.close()
            for check in ["drift", "workers"] {
                let found = findings.filter { $0.check == check }
                #expect(found.map(\.summary) == ["could not be looked at: PostgreSQL did not answer in time"])
                #expect(found.map(\.verdict) == [.warning])
                #expect(found.first?.remedy?.contains("pg_blocking_pids") == true)
            }
            // What names who holds them up is among those that come after the first.
            for check in ["partitions", "snapshots", "statistics"] {
                let found = findings.filter { $0.check == check }
                #expect(!found.isEmpty && found.allSatisfy { $0.verdict != .skipped }, "\(found)")
                #expect(!found.contains { $0.summary.hasPrefix("could not be looked at") }, "\(found)")
            }
        }
    }

    @Test("what a login may not look at is skipped without an error in the server's log")
    func quietly() async throws {
        try await TestCluster.withCluster { cluster, database in
            let member = try await database.asMember(of: "rejoinder_ingress")
            let files = try await member.finding("log files")
            #expect(files.verdict == .skipped)
            #expect(files.summary == "this login may not look: permission denied for view event")
            let workers = try await member.finding("workers")
            #expect(workers.verdict == .skipped)
            #expect(workers.summary == "this login may not look: permission denied for function id_at")
            let log = try String(contentsOfFile: cluster.log, encoding: .utf8)
            #expect(!log.contains("permission denied"))
        }
    }

    @Test("a partition that is missing, and rows in the default one, are found")
    func partitions() async throws {
        try await TestCluster.withDatabase { database in
            #expect(try await database.finding("partitions").verdict == .ok)
            let today = try await database.query(
                "select 'received_' || to_char(clock_timestamp() at time zone 'UTC', 'YYYYMMDD')"
            )
            try await database.query("drop table rejoinder.\(try #require(today[0][0]))")
            let missing = try await database.finding("partitions")
            #expect(missing.verdict == .broken)
            #expect(missing.remedy == "select rejoinder.tidy()")
            let connection = try await database.connect()
            try await connection.run(script: try #require(missing.remedy), timeout: .seconds(5))
            #expect(try await database.finding("partitions").verdict == .ok)

            try await database.query(
                """
                select rejoinder.enqueue(
                    null, array[rejoinder.id_at('2001-01-01')], array['/'], array['n'], array[1000], array['{}'::json]
                )::text
                """
            )
            let filled = try await database.finding("partitions")
            #expect(filled.verdict == .warning)
            #expect(filled.summary.contains("rejoinder.received_default holds"))
        }
    }

    @Test("the days of partitions are UTC's also where the session's clocks are changed")
    func daysOfPartitions() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.run(script: "set time zone 'Europe/Berlin'", timeout: .seconds(5))
            let check = try #require(QueryCheck.all.first { $0.name == "partitions" })
            // The night of 29 March 2026 has an hour less there.
            let then = check.statement.sql.replacing("clock_timestamp()", with: "timestamptz '2026-03-28 00:00Z'")
            let names = ["outcome", "received", "reply"].flatMap { parent in
                ["20260328", "20260329", "20260330"].map { "\(parent)_\($0)" }
            }
            let missing = "partitions are missing: \(names.joined(separator: ", "))"
            #expect(try await connection.query(then)[0][1] == missing)
            await connection.close()
        }
    }

    @Test("a database with another encoding, and one whose durability is switched off, are broken")
    func settings() async throws {
        try await TestCluster.withDatabase { database in
            let durability = try await database.finding("durability")
            #expect(durability.verdict == .broken)
            #expect(durability.summary.hasPrefix("fsync is off"))
            #expect(try await database.finding("encoding").verdict == .ok)
            let name = "latin_\(UInt32.random(in: 0...UInt32.max))"
            try await database.query("create database \(name) encoding 'SQL_ASCII' locale 'C' template template0")
            let own = try #require(try await database.query("select current_database()::text")[0][0])
            let latin = TestDatabase(url: database.url.replacing("/\(own)?", with: "/\(name)?"))
            #expect(try await latin.finding("encoding").verdict == .broken)
            try await database.query("drop database \(name)")
        }
    }

    @Test("a write-ahead log whose files don't suffice for the last hour's calls is found, and what it says mends it")
    func logFiles() async throws {
        // In a day as much comes as otherwise in five minutes.
        try await TestCluster.withCluster(settings: ["fsync": "off", "checkpoint_timeout": "1d"]) { _, database in
            #expect(try await database.finding("log files").verdict == .ok)
            try await database.query(
                """
                with event as (
                    select (left(rejoinder.id_at(now() - age * interval '1 second')::text, 15) || right(gen_random_uuid()::text, 21))::uuid as id,
                           place
                      from (values (3610, 1), (3590, 10000), (1800, 20000), (10, 28000)) as e (age, place)
                ), received as (
                    insert into rejoinder.received (id, enqueued_at, deadline, endpoint, node, payload)
                    select id, now(), now(), '/', 'a', '1' from event
                )
                insert into rejoinder.outcome (id, place, state, attempt, enqueued_at, finished_at, node, answer)
                select id, place, 'answered', 1, now(), now(), 'a', '1' from event
                """
            )
            let short = try await database.finding("log files")
            #expect(short.verdict == .warning)
            #expect(short.summary.hasPrefix("the last hour's events make 618 MB of log between two checkpoints"))
            let remedy = [
                "alter system set max_wal_size = '1536MB'", "alter system set min_wal_size = '768MB'",
                "select pg_reload_conf()",
            ]
            #expect(short.remedy == remedy.joined(separator: "; "))
            // Each by itself: none may be in a transaction with others.
            for statement in remedy.dropLast() { try await database.query(statement) }
            try await database.query(remedy[2] + "::text")
            try await eventually("it suffices") { try await database.finding("log files").verdict == .ok }
        }
    }

    @Test("a server that logs what is bound to statements is found, also by a login that may do one job only")
    func serverLog() async throws {
        try await TestCluster.withCluster { _, database in
            let member = try await database.asMember(of: "rejoinder_worker")
            #expect(try await member.finding("server's log").verdict == .ok)
            try await database.query("alter system set log_min_duration_statement = 0")
            try await database.query("alter system set log_parameter_max_length_on_error = '1kB'")
            try await database.query("select pg_reload_conf()::text")
            try await eventually("both are found") {
                await member.findings("server's log").map(\.verdict) == [.warning, .warning]
            }
            let findings = await member.findings("server's log")
            let summaries = [
                "log_min_duration_statement is 0, and log_parameter_max_length is -1",
                "statements that fail are logged, and log_parameter_max_length_on_error is 1kB",
            ]
            for (finding, summary) in zip(findings, summaries) {
                #expect(finding.summary == "payloads and answers get into PostgreSQL's log: \(summary)")
                // Each by itself: the first may be in no transaction with others.
                let statements = try #require(finding.remedy).split(separator: "; ").map(String.init)
                try await database.query(statements[0])
                try await database.query("\(statements[1])::text")
            }
            try await eventually("none is bound to what is logged") {
                try await member.finding("server's log").verdict == .ok
            }
        }
    }

    @Test("a schema in which every login may make functions is found")
    func publicSchema() async throws {
        try await TestCluster.withDatabase { database in
            #expect(try await database.finding("public schema").verdict == .ok)
            try await database.query("grant create on schema public to public")
            let finding = try await database.finding("public schema")
            #expect(finding.verdict == .warning)
            try await database.query(try #require(finding.remedy))
            #expect(try await database.finding("public schema").verdict == .ok)
        }
    }

    @Test("too few connections, and autovacuum that is off, are found")
    func room() async throws {
        try await TestCluster.withCluster(
            settings: ["fsync": "off", "max_connections": "12", "autovacuum": "off"]
        ) { _, database in
            let off = try await database.finding("autovacuum")
            #expect(off.verdict == .broken)
            #expect(off.remedy == "alter system set autovacuum = on; select pg_reload_conf()")
            #expect(try await database.finding("connections").verdict == .ok)
            var registered: [PostgresConnection] = []
            for _ in 0..<3 {
                let connection = try await database.connect()
                try await connection.query(
                    "select (rejoinder.register('ingress', 'n', 'h', 1, 'v')).registered::text"
                )
                registered.append(connection)
            }
            let few = try await database.finding("connections")
            #expect(few.verdict == .warning, "\(few)")
            #expect(few.remedy?.hasPrefix("alter system set max_connections = ") == true)
            for connection in registered { await connection.close() }
        }
    }

    @Test("a node that is called and that no worker serves is named")
    func nodes() async throws {
        try await TestCluster.withDatabase { database in
            #expect(try await database.finding("workers").verdict == .warning)
            try await database.query(
                """
                select rejoinder.enqueue(
                    null, array[gen_random_uuid()], array['/'], array['price'], array[9000], array['{}'::json]
                )::text
                """
            )
            let unserved = try await database.finding("workers")
            #expect(unserved.verdict == .broken)
            #expect(unserved.summary.contains("no worker serves node 'price'"))
            // Its caller has gone, with 503: such a call is not in the queue for long.
            try await database.query(
                "select abandoned::text from rejoinder.abandon(array(select id from rejoinder.live), '{cancelled}', '{no_worker}')"
            )
            #expect(try await database.query("select count(*)::text from rejoinder.live") == [["0"]])
            let ended = try await database.finding("workers")
            #expect(ended == unserved)
            let worker = try await database.connect()
            let lanes = #"[{"nodes": ["price"], "slots": 7}]"#
            try await worker.query(
                "select (rejoinder.register('worker', 'w', 'h', 1, 'v', '\(lanes)')).registered::text"
            )
            let served = try await database.finding("workers")
            #expect(served.verdict == .ok)
            #expect(served.summary == "1 live, with 7 slots")
            // It has died, and nobody was left to say so.
            try await database.query("update rejoinder.process set heartbeat_at = heartbeat_at - interval '1 minute'")
            #expect(try await database.finding("workers") == unserved)
            // Callers of a paused node wait, or are told so: with no worker nothing is broken.
            for waits in [true, false] {
                try await database.query("select rejoinder.pause('price', \(waits))")
                let paused = try await database.finding("workers")
                #expect(paused.verdict == .warning)
                #expect(paused.summary == "no worker lives")
            }
            await worker.close()
        }
    }

    @Test("dead rows that pile up in the queue, and tables that were never analyzed, are found")
    func bloat() async throws {
        try await TestCluster.withDatabase { database in
            #expect(try await database.finding("bloat").verdict == .ok)
            let connection = try await database.connect()
            try await connection.run(
                script: """
                    set statement_timeout = 0;
                    alter table rejoinder.live set (autovacuum_enabled = off);
                    insert into rejoinder.live (id, enqueued_at, deadline, endpoint, node)
                    select gen_random_uuid(), now(), now(), '/', 'n' from generate_series(1, 110000);
                    """,
                timeout: .seconds(60)
            )
            try await connection.run(script: "delete from rejoinder.live", timeout: .seconds(60))
            await connection.close()
            let check = try #require(QueryCheck.all.first { $0.name == "bloat" })
            let sql = check.statement.sql
            // No vacuum has come, but not for three minutes yet; the same statement says so of a moment.
            let sooner = sql.replacing("interval '3 minutes'", with: "interval '0'")
            try await eventually("the statistics are there") { try await database.query(sooner)[0][0] == "warning" }
            #expect(
                try await database.query(sooner)[0][2]?.hasPrefix("vacuum (verbose, analyze) rejoinder.live") == true
            )
            // Of what a minute brings nothing is said, of more it is, whenever a vacuum came.
            let patient = sql.replacing("interval '3 minutes'", with: "interval '1 day'")
            #expect(try await database.query(patient)[0][0] == "ok")
            #expect(try await database.query(patient.replacing("1000000", with: "100000"))[0][0] == "warning")
            #expect(try await database.finding("statistics").verdict == .warning)
            let off = try await database.finding("autovacuum")
            #expect(off.remedy == "alter table rejoinder.live reset (autovacuum_enabled)")
        }
    }

    @Test("a queue's table that stays large when it is empty again is found, and mended by its line")
    func largeTable() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for script in [
                "alter table rejoinder.live set (autovacuum_enabled = off)",
                """
                insert into rejoinder.live (id, enqueued_at, deadline, endpoint, node)
                select gen_random_uuid(), now(), now(), '/', 'n' from generate_series(1, 20000)
                """,
                // The last page has a row left: it can't be cut off.
                "delete from rejoinder.live where place < (select max(place) from rejoinder.live)",
                "vacuum rejoinder.live",
            ] { try await connection.run(script: script, timeout: .seconds(60)) }
            let check = try #require(QueryCheck.all.first { $0.name == "bloat" })
            // The same of a table of 1 MiB.
            let smaller = check.statement.sql.replacing("256 << 20", with: "1 << 20")
            try await eventually("the statistics are there") { try await database.query(smaller)[0][0] == "warning" }
            let remedy = try #require(try await database.query(smaller)[0][2])
            #expect(remedy.hasPrefix("vacuum full rejoinder.live"))
            try await connection.run(script: remedy, timeout: .seconds(60))
            #expect(try await database.query(smaller)[0][0] == "ok")
            await connection.close()
        }
    }

    @Test("a queue of notifications that fills is found; its line ends who stays in a transaction")
    func notifications() async throws {
        try await TestCluster.withDatabase { database in
            #expect(try await database.finding("notifications").verdict == .ok)
            let check = try #require(QueryCheck.all.first { $0.name == "notifications" })
            // It holds 8 GiB: the same statement is asked of one that is so full.
            func found(_ share: String) async throws -> [String?] {
                try await database.query(check.statement.sql.replacing("pg_notification_queue_usage()", with: share))[0]
            }
            #expect(try await found("0.09::float8")[0] == "ok")
            let warned = try await found("0.2::float8")
            #expect(warned[0] == "warning" && warned[1]?.hasPrefix("20.0 % of the notification queue") == true)
            #expect(try await found("0.6::float8")[0] == "broken")

            let deaf = try await database.connect()
            try await deaf.run(
                script: "set idle_in_transaction_session_timeout = 0; listen a; begin; select 1",
                timeout: .seconds(5)
            )
            let own = "datname = current_database() and xact_start < now() - interval '0'"
            let remedy = try #require(warned[2]).replacing("xact_start < now() - interval '1 minute'", with: own)
            #expect(remedy.contains(own))
            #expect(try await database.query("select e.ended::text from (\(remedy)) as e (ended)") == [["true"]])
            await deaf.close()
        }
    }

    @Test(
        "by way of a transaction pooler, the address of PostgreSQL itself is asked for, and must be the same database"
    )
    func pooler() async throws {
        try await TestCluster.withDatabase { database in
            #expect(try await database.finding("pooler").verdict == .ok)
            try await PgBouncer.with(.transaction, database) { pooled in
                #expect(try await pooled.finding("pooler").verdict == .ok)
                let alone = try await TestDatabase(url: pooled.url).finding("pooler")
                #expect(alone.verdict == .warning)
                #expect(alone.remedy?.hasPrefix("REJOINDER_LISTEN_URL=") == true)
                try await TestCluster.withDatabase { other async throws in
                    let apart = TestDatabase(url: pooled.url, directURL: other.url)
                    #expect(try await apart.finding("pooler").verdict == .broken)
                }
            }
        }
    }
}
