import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("What the dead leave behind is found", .timeLimit(.minutes(10)))
struct RecoveryTests {
    /// A worker that holds one event of the ingress, and a third party that recovers.
    private func withWorker(
        _ lane: LaneOptions = .sample(),
        _ body: (Scene) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in try await body(try await Scene(database, lane)) }
    }

    private struct Scene {
        let database: TestDatabase
        let recoverer: PostgresConnection
        let ingress: (connection: PostgresConnection, process: Int32)
        let worker: (connection: PostgresConnection, process: Int32)
        let claim: Claim
        /// What the ingress is told.
        let told: Mailbox<String>

        init(_ database: TestDatabase, _ lane: LaneOptions) async throws {
            self.database = database
            self.recoverer = try await database.connect()
            let ingress = try await database.connect()
            self.ingress = (ingress, try await ingress.register(.ingress).process)
            self.told = try await ingress.notifications(of: self.ingress.process)
            let worker = try await database.connect()
            self.worker = (worker, try await worker.register(.worker, [lane]).process)
            try await ingress.enqueue([.sample()], ingress: self.ingress.process)
            self.claim = try #require(try await worker.claim(self.worker.process, lane).first)
        }

        func event(_ columns: String = "state::text, attempt::text, code") async throws -> [String?] {
            try #require(try await self.recoverer.query("select \(columns) from rejoinder.event").first)
        }

        /// Whether it is missing, whether it has stopped, and how many lanes it has.
        func process(_ id: Int32) async throws -> [String?] {
            let sql = """
                select (p.missing_since is not null)::text, (p.stopped_at is not null)::text,
                       (select count(*) from rejoinder.lane as l where l.process = p.id)::text
                  from rejoinder.process as p
                 where p.id = \(id)
                """
            return try #require(try await self.recoverer.query(sql).first)
        }

        /// How many sessions hold the process's lock.
        func holders(of process: Int32) async throws -> Int {
            try await self.recoverer.query(
                """
                select 1
                  from pg_locks
                 where locktype = 'advisory' and classid = rejoinder.lock_class('alive') and objid = \(process)
                   and database = (select oid from pg_database where datname = current_database())
                """
            ).count
        }

        /// The last that was heard of any process was so many seconds ago.
        func hear(_ ago: Double) async throws {
            let sql = "update rejoinder.watch set heard_at = clock_timestamp() - interval '\(ago) s'"
            try await self.recoverer.query(sql)
        }

        /// Recovers at a moment at which one process has been missing or silent for so many seconds, and no other has; and
        /// a process was last heard of so many seconds ago, where that is given.
        func recover(
            _ process: Int32 = 0,
            missing: Double? = nil,
            silent: Double = 0,
            heard: Double? = 0
        ) async throws -> [Int32] {
            let missing = missing.map { "clock_timestamp() - interval '\($0) s'" } ?? "missing_since"
            if let heard { try await self.hear(heard) }
            try await self.recoverer.run(
                script: """
                    update rejoinder.process set heartbeat_at = clock_timestamp();
                    update rejoinder.process
                       set heartbeat_at = heartbeat_at - interval '\(silent) s', missing_since = \(missing)
                     where id = \(process);
                    create temp table if not exists recovered (n integer[]);
                    delete from recovered;
                    insert into recovered select array[r.requeued, r.cancelled, r.expired] from rejoinder.recover() as r
                    """,
                timeout: .seconds(8)
            )
            return try await self.recoverer.execute(.sql("select n from recovered")).integers(0, 0)
        }

        /// How many events of the ingress were queued again.
        func revive(_ ids: [EventID], _ ingress: Int32) async throws -> Int32 {
            try await self.recoverer.execute(.revive(ids, ingress: ingress)).integer(0, 0)
        }

        /// Recovers until the process counts as missing: its session ends a moment after its connection.
        func recoverUntilMissing(_ process: Int32) async throws {
            try await eventually("the process is marked missing") {
                #expect(try await self.recover() == [0, 0, 0])
                return try await self.process(process)[0] == "true"
            }
        }
    }

    @Test("a worker whose session is gone is marked missing first, then its event is queued again, then it is stopped")
    func session() async throws {
        try await self.withWorker { scene in
            #expect(try await scene.recover() == [0, 0, 0])
            #expect(try await scene.process(scene.worker.process) == ["false", "false", "1"])

            await scene.worker.connection.close()
            try await scene.recoverUntilMissing(scene.worker.process)
            #expect(try await scene.event() == ["running", "1", nil])

            #expect(try await scene.recover(scene.worker.process, missing: 0.5) == [1, 0, 0])
            #expect(try await scene.event() == ["queued", "1", "worker_lost"])
            #expect(try await scene.event("(place > \(scene.claim.place))::text, worker::text") == ["true", nil])

            #expect(try await scene.recover(scene.worker.process, missing: 10) == [0, 0, 0])
            #expect(try await scene.process(scene.worker.process) == ["true", "true", "0"])
        }
    }

    @Test("one whose earlier session still has its lock lives by its heartbeat, until it has that itself")
    func earlierSession() async throws {
        try await self.withWorker { scene in
            let process = scene.worker.process
            let later = try await scene.database.connect()
            let taken = try await later.register(.worker, [.sample()], as: process)
            #expect(taken.process == process)
            #expect(try await scene.recover() == [0, 0, 0])
            await scene.worker.connection.close()
            try await eventually("the earlier session has ended") { try await scene.holders(of: process) == 0 }
            #expect(try await scene.recover(process, missing: 10) == [0, 0, 0])
            #expect(try await scene.event() == ["running", "1", nil])
            // A silence counts all the same.
            #expect(try await later.heartbeat(process).live)
            #expect(try await scene.holders(of: process) == 1)

            await later.close()
            try await scene.recoverUntilMissing(process)
            #expect(try await scene.recover(process, missing: 0.5) == [1, 0, 0])
        }
    }

    @Test("an event that may run once only fails after the longer time, and its ingress is told")
    func atMostOnce() async throws {
        try await self.withWorker(.sample(atMostOnce: true)) { scene in
            await scene.worker.connection.close()
            try await scene.recoverUntilMissing(scene.worker.process)
            #expect(try await scene.recover(scene.worker.process, missing: 0.5) == [0, 0, 0])
            #expect(try await scene.event() == ["running", "1", nil])

            #expect(try await scene.recover(scene.worker.process, missing: 10) == [1, 0, 0])
            #expect(try await scene.event() == ["failed", "1", "worker_lost"])
            #expect(try await scene.told.next() == done(scene.claim.id))
        }
    }

    @Test("an event without attempts left fails, and its ingress is told")
    func attemptsExhausted() async throws {
        try await self.withWorker(.sample(maxAttempts: 1)) { scene in
            await scene.worker.connection.close()
            try await scene.recoverUntilMissing(scene.worker.process)
            #expect(try await scene.recover(scene.worker.process, missing: 0.5) == [1, 0, 0])
            #expect(try await scene.event() == ["failed", "1", "worker_lost"])
            #expect(try await scene.told.next() == done(scene.claim.id))
        }
    }

    @Test("after the database was away, when nobody's heartbeat could come, the first look gives nothing up")
    func outage() async throws {
        try await self.withWorker { scene in
            try await scene.ingress.connection.enqueue([.sample()], ingress: scene.ingress.process)
            for process in [scene.ingress, scene.worker] {
                await process.connection.close()
                try await scene.recoverUntilMissing(process.process)
                try await scene.recoverer.query("update rejoinder.process set missing_since = null")
                #expect(try await scene.recover(process.process, silent: 60) == [0, 0, 0])
            }
            #expect(try await scene.recover(scene.worker.process, missing: 0.5, silent: 60) == [1, 0, 0])
            #expect(try await scene.recover(scene.ingress.process, missing: 10, silent: 60) == [0, 2, 0])
        }
    }

    @Test("where nobody was heard of for a while, as during a failover, the times run anew and are longer")
    func resumption() async throws {
        try await self.withWorker { scene in
            let ingress = scene.ingress
            try await ingress.connection.enqueue([.sample()], ingress: ingress.process)
            await ingress.connection.close()
            try await scene.recoverUntilMissing(ingress.process)
            #expect(try await scene.recover(ingress.process, missing: 60, heard: 60) == [0, 0, 0])
            #expect(try await scene.recover(ingress.process, missing: 60) == [0, 0, 0])
            func resume(_ ago: Double) async throws {
                let instant = "clock_timestamp() - interval '\(ago) s'"
                try await scene.recoverer.query("update rejoinder.watch set resumed_at = \(instant)")
            }
            try await resume(5)
            #expect(try await scene.recover(ingress.process, missing: 60) == [0, 0, 0])
            try await resume(10)
            #expect(try await scene.recover(ingress.process, missing: 60) == [0, 1, 0])
        }
    }

    @Test(
        "a server that stood still finds nobody dead who is still connected, until they have had the time to say so",
        arguments: [false, true]
    )
    func standstill(somebodyBeatsFirst: Bool) async throws {
        try await self.withWorker { scene in
            let worker = scene.worker.process
            if somebodyBeatsFirst {
                try await scene.hear(8)
                _ = try await scene.ingress.connection.heartbeat(scene.ingress.process)
            } else {
                #expect(try await scene.recover(worker, silent: 8, heard: 8) == [0, 0, 0])
            }
            #expect(try await scene.recover(worker, silent: 8) == [0, 0, 0])
            #expect(try await scene.process(worker) == ["false", "false", "1"])
            try await scene.recoverer.query(
                "update rejoinder.watch set resumed_at = clock_timestamp() - interval '5 s'"
            )
            #expect(try await scene.recover(worker, silent: 12) == [1, 0, 0])
        }
    }

    @Test("where the server's clock is put back, the times run anew")
    func clockPutBack() async throws {
        try await self.withWorker { scene in
            try await scene.hear(-3600)
            _ = try await scene.ingress.connection.heartbeat(scene.ingress.process)
            #expect(try await scene.recover(scene.worker.process, silent: 8, heard: nil) == [0, 0, 0])
        }
    }

    @Test("where the one that looks hangs and others are heard of, who is silent is dead after 5 s all the same")
    func hungMaintainer() async throws {
        try await self.withWorker { scene in
            try await scene.hear(0)
            for _ in 0..<3 {
                let later = "update rejoinder.watch set heard_at = heard_at - interval '2 s'"
                try await scene.recoverer.query(later)
                _ = try await scene.ingress.connection.heartbeat(scene.ingress.process)
            }
            #expect(try await scene.recover(scene.worker.process, silent: 6, heard: nil) == [1, 0, 0])
        }
    }

    @Test("a worker that is silent for 5 s counts as dead, though its session is there; its late answer is refused")
    func silence() async throws {
        try await self.withWorker { scene in
            #expect(try await scene.recover(scene.worker.process, silent: 4) == [0, 0, 0])
            #expect(try await scene.recover(scene.worker.process, silent: 5) == [1, 0, 0])
            #expect(try await scene.event() == ["queued", "1", "worker_lost"])
            #expect(try await scene.process(scene.worker.process) == ["true", "true", "0"])

            #expect(try await scene.worker.connection.heartbeat(scene.worker.process).live == false)
            let late = (scene.claim, AttemptOutcome.answered([UInt8(ascii: "1")]))
            let accepted = try await scene.worker.connection.answer(scene.worker.process, [late])
            #expect(accepted.isEmpty)
        }
    }

    @Test("a heartbeat brings one that is missing back to life, if it holds its lock again")
    func heartbeat() async throws {
        try await self.withWorker { scene in
            try await scene.worker.connection.query("select pg_advisory_unlock_all()::text")
            try await scene.recoverUntilMissing(scene.worker.process)
            #expect(try await scene.worker.connection.heartbeat(scene.worker.process, busy: 3).live)
            #expect(try await scene.process(scene.worker.process) == ["false", "false", "1"])
            #expect(try await scene.recover() == [0, 0, 0])
            #expect(try await scene.process(scene.worker.process) == ["false", "false", "1"])
            #expect(
                try await scene.recoverer.query("select busy::text from rejoinder.process where role = 'worker'") == [
                    ["3"]
                ]
            )
        }
    }

    @Test("one that the database has lost, after a failover, comes back with its id; unless that is another's by now")
    func lostRegistration() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            func lose() async throws {
                try await connection.query("delete from rejoinder.process")
                try await connection.run(
                    script: "alter sequence rejoinder.process_id_seq restart",
                    timeout: .seconds(5)
                )
            }
            let first = try await connection.register(.worker, [.sample()], instance: 1).process
            try await lose()
            #expect(try await connection.register(.worker, [.sample()], as: first, instance: 1).process == first)
            #expect(try await connection.register(.worker, [.sample()], instance: 2).process != first)
            try await lose()
            #expect(try await connection.register(.worker, [.sample()], instance: 2).process == first)
            let second = try await connection.register(.worker, [.sample()], as: first, instance: 1).process
            #expect(second != first)
            #expect(try await connection.register(.worker, [.sample()], as: second, instance: 1).process == second)
            #expect(try await connection.query("select count(*)::text from rejoinder.process") == [["2"]])
        }
    }

    @Test(
        "one that comes back on another session takes its registration up again, with new lanes",
        arguments: [false, true]
    )
    func comeback(wasGivenUp: Bool) async throws {
        try await self.withWorker { scene in
            await scene.worker.connection.close()
            try await scene.recoverUntilMissing(scene.worker.process)
            if wasGivenUp { #expect(try await scene.recover(scene.worker.process, missing: 10) == [1, 0, 0]) }
            let lanes = [LaneOptions.sample(["a"]), .sample(["b"])]
            let back = try await scene.ingress.connection.register(.worker, lanes, as: scene.worker.process)
            #expect(back.process == scene.worker.process)
            #expect(back.lanes.count == 2)
            #expect(try await scene.process(back.process) == ["false", "false", "2"])
            #expect(try await scene.recover() == [0, 0, 0])
            #expect(try await scene.event("state::text") == [wasGivenUp ? "queued" : "running"])
            // Under another role it would be somebody else.
            let other = try await scene.ingress.connection.register(.ingress, as: scene.worker.process)
            #expect(other.process != scene.worker.process)
        }
    }

    @Test("a worker that stops in order gives what it holds to others at once", arguments: [false, true])
    func deregister(atMostOnce: Bool) async throws {
        try await self.withWorker(.sample(atMostOnce: atMostOnce)) { scene in
            let call = PostgresCall(Statements.deregister, .of { $0.append(scene.worker.process) })
            try await scene.worker.connection.execute(call)
            #expect(try await scene.event() == [atMostOnce ? "failed" : "queued", "1", "worker_lost"])
            #expect(try await scene.process(scene.worker.process) == ["false", "true", "0"])
            #expect(try await scene.worker.connection.heartbeat(scene.worker.process).live == false)
        }
    }

    @Test("the queued events of a dead ingress are cancelled, nobody else's, and none that runs")
    func deadIngress() async throws {
        try await self.withWorker { scene in
            let ingress = scene.ingress
            let dead = try await ingress.connection.enqueue([.sample(), .sample()], ingress: ingress.process)
            try await scene.recoverer.enqueue([.sample()], ingress: ingress.process + 100)
            await ingress.connection.close()
            try await scene.recoverUntilMissing(ingress.process)
            // 2 s, or 5 s while the server has just been started.
            #expect(try await scene.recover(ingress.process, missing: 1.5) == [0, 0, 0])
            #expect(try await scene.recover(ingress.process, missing: 10) == [0, 2, 0])
            #expect(
                try await scene.recoverer.events("state", "code")
                    == [
                        ["running", nil], ["cancelled", "ingress_lost"], ["cancelled", "ingress_lost"],
                        ["queued", nil],
                    ]
            )
            #expect(
                try await scene.recoverer.query(
                    "select id::text from rejoinder.event where state = 'cancelled' order by id"
                )
                    == dead.map { [$0.description] }
            )
            #expect(try await scene.process(ingress.process) == ["true", "true", "0"])
        }
    }

    @Test("an ingress that was merely cut off has its events queued again, as far as their deadlines are not past")
    func revival() async throws {
        try await self.withWorker { scene in
            let ingress = scene.ingress
            let ids = try await ingress.connection.enqueue([.sample(), .sample(), .sample()], ingress: ingress.process)
            let foreign = try await scene.recoverer.enqueue([.sample()], ingress: ingress.process + 100)
            await ingress.connection.close()
            try await scene.recoverUntilMissing(ingress.process)
            let columns = "id::text, deadline::text, endpoint, node"
            let before = try await scene.recoverer.query("select \(columns) from rejoinder.live order by id")
            #expect(try await scene.recover(ingress.process, missing: 10) == [0, 3, 0])
            let late = "update rejoinder.received set deadline = clock_timestamp() where id = '\(ids[2])'"
            try await scene.recoverer.query(late)

            let back = try await scene.recoverer.register(.ingress, as: ingress.process).process
            #expect(back == ingress.process)
            #expect(try await scene.revive(ids + foreign, back) == 2)
            let states = try await scene.recoverer.query(
                "select state::text, count(*)::text from rejoinder.event group by state order by state::text"
            )
            #expect(states == [["cancelled", "1"], ["queued", "3"], ["running", "1"]])
            let after = try await scene.recoverer.query("select \(columns) from rejoinder.live order by id")
            #expect(after == before.filter { $0[0] != ids[2].description })
            #expect(try await scene.revive(ids, back) == 0, "once")
        }
    }

    @Test(
        "what runs for a dead ingress is not run again, but queued again should that come back",
        arguments: [true, false]
    )
    func orphan(isRetried: Bool) async throws {
        try await self.withWorker { scene in
            let ingress = scene.ingress
            await ingress.connection.close()
            try await scene.recoverUntilMissing(ingress.process)
            #expect(try await scene.recover(ingress.process, missing: 10) == [0, 0, 0])
            if isRetried {
                let outcome = AttemptOutcome.retry(code: "handler_failed", error: "once more")
                let accepted = try await scene.worker.connection.answer(scene.worker.process, [(scene.claim, outcome)])
                #expect(accepted == [scene.claim.id: "cancelled"])
            } else {
                await scene.worker.connection.close()
                try await scene.recoverUntilMissing(scene.worker.process)
                #expect(try await scene.recover(scene.worker.process, missing: 0.5) == [1, 0, 0])
            }
            #expect(try await scene.event() == ["cancelled", "1", "ingress_lost"])
            let back = try await scene.recoverer.register(.ingress, as: ingress.process).process
            #expect(try await scene.revive([scene.claim.id], back) == 1)
            #expect(try await scene.event() == ["queued", "1", nil])
        }
    }

    @Test("what is overdue expires: queued at its deadline, running 2 s later; ingress and worker are told")
    func expiry() async throws {
        try await self.withWorker { scene in
            let cancelled = try await scene.worker.connection.notifications(of: scene.worker.process)
            let queued = try #require(
                try await scene.ingress.connection.enqueue([.sample()], ingress: scene.ingress.process).first
            )
            try await scene.recoverer.query("update rejoinder.live set deadline = clock_timestamp()")
            #expect(try await scene.recover() == [0, 0, 1])
            #expect(try await scene.recoverer.events("state", "code") == [["running", nil], ["expired", "expired"]])
            #expect(try await scene.told.next() == done(queued))

            try await scene.recoverer.query("update rejoinder.live set deadline = deadline - interval '2 seconds'")
            #expect(try await scene.recover() == [0, 0, 1])
            #expect(try await scene.recoverer.events("state") == [["expired"], ["expired"]])
            #expect(try await scene.told.next() == done(scene.claim.id))
            #expect(try await cancelled.next() == "cancel \(scene.claim.id)")
            #expect(try await scene.recover() == [0, 0, 0])
        }
    }

    @Test("expiry looks above the low-water mark only")
    func expiryMark() async throws {
        try await self.withWorker { scene in
            try await scene.recoverer.enqueue([.sample(), .sample()], ingress: 1)
            try await scene.recoverer.query(
                "update rejoinder.live set deadline = clock_timestamp() where worker is null"
            )
            let last: Int64 = try await scene.recoverer.highWater
            #expect(try await scene.recoverer.recover(after: last) == [0, 0, 1])
            #expect(try await scene.recover() == [0, 0, 1])
        }
    }

    @Test("below the mark that it returns nothing lives, and what is queued after it has looked lies above")
    func emptied() async throws {
        try await self.withWorker { scene in
            func emptied(after place: Int64, expiring: Bool = true) async throws -> Int64? {
                let call = PostgresCall(
                    Statements.recover,
                    .of {
                        $0.append(place)
                        $0.append(expiring)
                    }
                )
                return try await scene.recoverer.execute(call).optionalInteger(0, 3)
            }
            let mark = scene.claim.place
            #expect(try await emptied(after: 0) == mark)
            try await scene.recoverer.enqueue([.sample(timeLeft: .zero)], ingress: 1)
            #expect(try await scene.recoverer.recover(after: mark + 1) == [0, 0, 1])
            // The claim runs.
            #expect(try await emptied(after: 0) == mark)
            #expect(try await emptied(after: mark + 1) == mark + 1)
            let answer = AttemptOutcome.answered([UInt8(ascii: "1")])
            try await scene.worker.connection.answer(scene.worker.process, [(scene.claim, answer)])
            #expect(try await emptied(after: 0) == mark + 1)
            #expect(try await emptied(after: 0, expiring: false) == nil)
        }
    }

    @Test("it notes from where it looked, for vitals(); not where it looks through all, nor above what was given out")
    func noted() async throws {
        try await self.withWorker { scene in
            func noted() async throws -> Int64 {
                let sql = "select emptied::text from rejoinder.watch"
                return try #require(Int64(try await scene.recoverer.query(sql)[0][0] ?? ""))
            }
            func counted() async throws -> [[String?]] {
                try await scene.recoverer.query(
                    "select value::text from rejoinder.vitals() where metric = 'rejoinder_queue_events state=running' and node = 'node'"
                )
            }
            let place = scene.claim.place
            _ = try await scene.recoverer.recover(after: place)
            #expect(try await noted() == place)
            #expect(try await counted() == [["1"]])
            _ = try await scene.recoverer.recover(after: 0)
            #expect(try await noted() == place)
            let last: Int64 = try await scene.recoverer.highWater
            _ = try await scene.recoverer.recover(after: last + 1000)
            #expect(try await noted() == last)
            try await scene.ingress.connection.enqueue([.sample()], ingress: scene.ingress.process)
            _ = try await scene.recoverer.recover(after: last + 1)
            #expect(try await counted() == [["0"]])
            // One that was committed late lies below; the search through all finds it, and the next looks begin there.
            _ = try await scene.recoverer.recover(after: place)
            #expect(try await counted() == [["1"]])
        }
    }

    @Test("of many that were lost at once each is queued again, or fails, with its own reason")
    func many() async throws {
        try await self.withWorker(.sample(maxAttempts: 2)) { scene in
            let worker = scene.worker
            try await scene.ingress.connection.enqueue((0..<20).map { _ in .sample() }, ingress: scene.ingress.process)
            // A second attempt of the first, a first attempt of the others.
            try await worker.connection.answer(worker.process, [(scene.claim, .retry(code: "again", error: ""))])
            #expect(try await worker.connection.claim(worker.process, .sample(maxAttempts: 2), count: 21).count == 21)
            #expect(try await scene.recover(worker.process, silent: 5) == [21, 0, 0])
            let rows = try await scene.recoverer.query(
                """
                select state::text, attempt::text, code, error, count(*)::text
                  from rejoinder.event group by 1, 2, 3, 4 order by 5
                """
            )
            #expect(
                rows == [
                    ["failed", "2", "worker_lost", "its worker was lost in attempt 2", "1"],
                    ["queued", "1", "worker_lost", "its worker was lost in attempt 1", "20"],
                ]
            )
            #expect(try await scene.told.next() == done(scene.claim.id))
        }
    }

    @Test(
        "what nobody waits for is abandoned, and the worker that runs it is told",
        arguments: [(Abandonment.hungUp, "cancelled", "hung_up"), (.expired, "expired", "expired")]
    )
    func abandon(reason: Abandonment, state: String, code: String) async throws {
        try await self.withWorker { scene in
            let told = try await scene.worker.connection.notifications(of: scene.worker.process)
            let queued = try await scene.ingress.connection.enqueue([.sample()], ingress: scene.ingress.process)
            let ids = [scene.claim.id] + queued + [EventID()]
            #expect(try await scene.recoverer.abandon(ids.map { ($0, reason) }) == Set([scene.claim.id] + queued))
            #expect(try await scene.recoverer.events("state", "code") == [[state, code], [state, code]])
            #expect(try await told.next() == "cancel \(scene.claim.id)")
            #expect(try await scene.recoverer.abandon(ids.map { ($0, reason) }) == [])
        }
    }

    /// A server whose commits wait for a standby that there is not.
    private struct MissingStandby {
        let administrator: PostgresConnection
        private let probe: Task<Void, any Error>

        init(_ database: TestDatabase) async throws {
            self.administrator = try await database.connect()
            try await self.administrator.query("create table probe ()")
            let prober = try await database.connect()
            try await prober.run(script: "set application_name = 'prober'", timeout: .seconds(5))
            // Commits wait once the checkpointer has heard of it, too.
            self.probe = Task {
                while !Task.isCancelled { try await prober.query("insert into probe default values") }
            }
            try await self.wait(for: "missing")
            try await eventually("commits wait for the standby") { try await self.isWaiting("prober") }
        }

        private func wait(for standby: String) async throws {
            try await self.administrator.query("alter system set synchronous_standby_names = '\(standby)'")
            try await self.administrator.query("select pg_reload_conf()::text")
            try await eventually("the setting is there") {
                try await self.administrator.query("show synchronous_standby_names") == [[standby]]
            }
        }

        func isWaiting(_ application: String) async throws -> Bool {
            try await !self.administrator.query(
                """
                select 1 from pg_stat_activity where wait_event = 'SyncRep' and application_name = '\(application)'
                """
            ).isEmpty
        }

        func end() async throws {
            self.probe.cancel()
            try await self.wait(for: "")
        }
    }

    @Test("while a standby is missing, the end of what may run once waits for it, and keeps nobody from notifying")
    func missingStandby() async throws {
        try await TestCluster.withCluster { _, database in
            let scene = try await Scene(database, .sample(atMostOnce: true))
            let told = try await scene.worker.connection.notifications(of: scene.worker.process)
            let standby = try await MissingStandby(database)
            try await scene.ingress.connection.run(script: "set application_name = 'ingress'", timeout: .seconds(5))
            async let abandoned = scene.ingress.connection.abandon([(scene.claim.id, .hungUp)])
            try await eventually("it waits for the standby") { try await standby.isWaiting("ingress") }
            try await scene.recoverer.notify(scene.ingress.process, "anything")
            #expect(try await scene.told.next() == "anything")
            try await standby.end()
            #expect(try await abandoned == [scene.claim.id])
            #expect(try await told.next() == "cancel \(scene.claim.id)")
        }
    }

    @Test("while a standby is missing, operators act, processes start, and partitions come and go all the same")
    func withoutStandby() async throws {
        try await TestCluster.withCluster { _, database in
            let scene = try await Scene(database, .sample())
            let ingress = scene.ingress
            let queued = try await ingress.connection.enqueue([.sample(), .sample()], ingress: ingress.process)
            let tomorrow = try #require(
                try await database.query(
                    "select to_char((now() + interval '1 day') at time zone 'UTC', 'YYYYMMDD')"
                )[0][0]
            )
            try await database.query("drop table rejoinder.outcome_\(tomorrow)")
            let standby = try await MissingStandby(database)
            for call in [
                "cancel('\(queued[0])')", "retry('\(queued[0])')", "answer_by_hand('\(queued[1])', 'text')",
                "pause('node')", "resume('node')", "limit('node', 5, null)", "drain(\(scene.worker.process))",
                "register('worker', 'w', 'h', 1, 'v')", "set_retention('3 days')", "tidy()", "drop_expired()",
            ] {
                // Where it waited, the connection would be given up.
                try await scene.recoverer.query("select (rejoinder.\(call))::text")
            }
            let made = try await database.query("select to_regclass('rejoinder.outcome_\(tomorrow)')::text")
            #expect(made == [["rejoinder.outcome_\(tomorrow)"]])
            try await standby.end()
        }
    }

    @Test("what may run once only as soon as its claim has committed is ended for good")
    func claimedMeanwhile() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.connect()
            let worker = try await database.connect()
            let id = try await ingress.enqueue([.sample()], ingress: 1)[0]
            try await worker.run(script: "begin", timeout: .seconds(5))
            #expect(try await worker.claim(7, .sample(atMostOnce: true)).map(\.id) == [id])
            async let ended = ingress.query(
                "select must_last::text, workers::text from rejoinder.abandon('{\(id)}', '{cancelled}', '{hung_up}')"
            )
            try await eventually("it waits for the claim") {
                try await !database.query(
                    "select 1 from pg_locks where not granted and locktype = 'transactionid'"
                ).isEmpty
            }
            try await worker.run(script: "commit", timeout: .seconds(5))
            #expect(try await ended == [["true", "{7}"]])
        }
    }

    @Test("what a lost worker held, and an operator had locked just then, is given to others afterwards")
    func lockedWhileLost() async throws {
        try await self.withWorker { scene in
            let psql = try await scene.database.connect()
            try await psql.run(script: "begin", timeout: .seconds(5))
            try await psql.query("select rejoinder.cancel('\(scene.claim.id)')::text")
            await scene.worker.connection.close()
            try await scene.recoverUntilMissing(scene.worker.process)
            #expect(try await scene.recover(scene.worker.process, missing: 10) == [0, 0, 0])
            #expect(try await scene.process(scene.worker.process)[1] == "true")
            try await psql.run(script: "rollback", timeout: .seconds(5))
            #expect(try await scene.recover() == [0, 0, 0])
            #expect(try await scene.event() == ["running", "1", nil])
            try await scene.recoverer.query(
                "update rejoinder.process set stopped_at = stopped_at - interval '6 seconds'"
            )
            // What it claims after that, since it is alive after all, is its own.
            try await scene.recoverer.query("update rejoinder.live set claimed_at = clock_timestamp()")
            #expect(try await scene.recover() == [0, 0, 0])
            try await scene.recoverer.query("update rejoinder.live set claimed_at = claimed_at - interval '7 seconds'")
            #expect(try await scene.recover() == [1, 0, 0])
            #expect(try await scene.event() == ["queued", "1", "worker_lost"])
        }
    }

    @Test("one process at a time maintains, and another takes over when it is gone")
    func maintenance() async throws {
        try await self.withWorker { scene in
            for _ in 0..<2 {
                #expect(try await scene.worker.connection.heartbeat(scene.worker.process) == (true, true, false))
            }
            #expect(try await scene.ingress.connection.heartbeat(scene.ingress.process) == (true, false, false))
            await scene.worker.connection.close()
            try await eventually("the other maintains") {
                try await scene.ingress.connection.heartbeat(scene.ingress.process).maintains
            }
        }
    }

    @Test("recovery goes on though partitions can't be kept in order, which the log says once")
    func untidy() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query("alter function rejoinder.tidy() rename to tidy_no_more")
            try await Rig.run(in: database) { rig in
                let connection = try await database.connect()
                for _ in 0..<2 {
                    let ids = try await connection.enqueue([.sample(timeLeft: .milliseconds(1))], ingress: 1)
                    try await eventually("it has expired") { try await rig.state(of: ids[0]) == "expired" }
                }
                let said = rig.recorder.entries.map(\.message).filter { $0.hasPrefix("partitions") }
                #expect(said == ["partitions can't be kept in order, trying each minute"])
            }
        }
    }

    @Test("one that registers again while it is taken off the books does not lock itself out")
    func lockOrder() async throws {
        try await self.withWorker { scene in
            let process = scene.worker.process
            try await scene.ingress.connection.run(
                script: "begin; update rejoinder.process set busy = 0 where id = \(process)",
                timeout: .seconds(5)
            )
            let call = PostgresCall(Statements.deregister, .of { $0.append(process) })
            async let deregistration = scene.worker.connection.execute(call)
            try await eventually("it waits for the process's row") {
                let sql =
                    "select 'x' from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
                return try await scene.recoverer.query(sql) == [["x"]]
            }
            try await scene.ingress.connection.run(
                script: "delete from rejoinder.lane where process = \(process); commit",
                timeout: .seconds(5)
            )
            _ = try await deregistration
            #expect(try await scene.process(process) == ["false", "true", "0"])
        }
    }
}
