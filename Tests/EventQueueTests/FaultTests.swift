import LocalPostgres
import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("No fault of a connection or the server costs an answer", .timeLimit(.minutes(10)))
struct FaultTests {
    @Test("all backends are terminated while 200 wait and their handlers run")
    func allBackends() async throws {
        try await Rig.run { rig in
            let gate = Gate()
            let count = Counter()
            try await rig.withWorker { claim in
                count.add()
                await gate.passed()
                return .answered(claim.payload)
            } _: { _ in
                let events = (0..<200).map { NewEvent.sample(text: "\($0)") }
                async let outcomes = rig.outcomes(of: events)
                try await eventually("as many run as there are slots") { count.value >= 100 }
                try await rig.terminate()
                gate.open()
                #expect(await outcomes.map(\.text) == events.map(\.text))
            }
        }
    }

    @Test(
        "a database that refuses events, though it takes connections, is found back by itself, with one complaint in the log"
    )
    func refusal() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { claim in
                .answered(claim.payload)
            } _: { _ in
                #expect(await rig.outcome().text == "\"hello\"")
                // As where the disk is full.
                try await rig.database.query(
                    """
                    create function public.full_disk() returns trigger language plpgsql as $$
                    begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$
                    """
                )
                try await rig.database.query(
                    """
                    create trigger full_disk before insert on rejoinder.received
                        for each row execute function public.full_disk()
                    """
                )
                async let outcome = rig.outcome()
                try await eventually("it counts as away") { rig.ingress.connector.refuses }
                #expect(!rig.ingress.isConnected && rig.ingress.isReady)
                // Which locks every partition, and may meet the housekeeping on its way.
                try await eventually("the trigger is dropped") {
                    do {
                        try await rig.database.query("drop trigger full_disk on rejoinder.received")
                        return true
                    } catch let error as PostgresError where error.sqlState == "40P01" {
                        return false
                    }
                }
                #expect(await outcome.text == "\"hello\"")
                #expect(!rig.ingress.connector.refuses)
                #expect(rig.ingress.isConnected)
                // The housekeeping may have met the locks of those that made and dropped the trigger.
                let complaints = rig.recorder.complaints.filter { !$0.hasPrefix("partitions can't be kept in order") }
                #expect(complaints.count == 1, "\(complaints)")
            }
        }
    }

    @Test("what was cancelled while its ingress was taken for lost is answered when that is back")
    func cutOff() async throws {
        try await Rig.run { rig in
            let event = NewEvent.sample()
            let outcome = Task { await rig.outcome(of: event) }
            try await eventually("it is queued") { try await rig.state(of: event.id) == "queued" }
            try await rig.database.query(
                """
                select f.id::text
                  from rejoinder.finish(
                      array['\(event.id)']::uuid[], array['cancelled']::rejoinder.state[], array['ingress_lost']
                  ) as f
                """
            )
            try await rig.terminate()
            try await eventually("it is queued again") { try await rig.state(of: event.id) == "queued" }
            try await rig.withWorker { _ in
                #expect(await outcome.value == .answered(event.payload, attempt: 1))
            }
        }
    }

    @Test("a database that takes connections but no registration counts as away, with one complaint in the log")
    func registrationRefused() async throws {
        var limits = IngressQueue.Limits()
        limits.databaseWait = .milliseconds(200)
        try await Rig.run(limits: limits) { rig in
            try await rig.withWorker { worker in
                try await rig.rename("register", to: "register_elsewhere")
                try await rig.terminate()
                try await eventually("both count it as away") {
                    rig.ingress.connector.refuses && worker.queue.connector.refuses
                }
                try await eventually("calls are refused") { await rig.outcome() == .unavailable }
                #expect(!rig.ingress.isReady)
                #expect(!worker.queue.isReady)
                try await rig.rename("register_elsewhere", to: "register")
                try await eventually("it works again") { await rig.outcome().text == "\"hello\"" }
                try await eventually("both are ready") { rig.ingress.isReady && worker.queue.isReady }
                for recorder in [rig.recorder, worker.recorder] {
                    #expect(recorder.complaints.count { $0.contains("is away") } == 1, "\(recorder.complaints)")
                }
            }
        }
    }

    @Test("a worker that can't have a connection more, as for a slow disk, goes on without it and is ready")
    func withoutTeller() async throws {
        try await TestCluster.withCluster { _, database in
            try await Rig.run(in: database) { rig in
                let member = try await database.asMember(of: "rejoinder_worker")
                let worker = RunningWorker(member) { .answered($0.payload) }
                try await eventually("the worker is ready") { worker.queue.isReady }
                #expect(await rig.outcome().text == "\"hello\"")
                let login = "member_rejoinder_worker"
                let open = try await database.query(
                    "select count(*)::text from pg_stat_activity where usename = '\(login)'"
                )
                try await database.query("alter role \(login) connection limit \(try #require(open[0][0]))")
                worker.queue.state.withLock { state in
                    for _ in 0..<50 { state.table.answered(waiting: 100) }
                }
                worker.queue.toTell.raise()
                try await eventually("the log says so") {
                    worker.recorder.complaints.contains { $0.hasPrefix("can't make another connection") }
                }
                #expect(worker.queue.isReady)
                #expect(await rig.outcome().text == "\"hello\"")
                #expect(worker.recorder.complaints.count == 1, "\(worker.recorder.complaints)")
                await worker.stop()
            }
        }
    }

    @Test("an idle worker finds a database back that took no claims for a while")
    func idleWorker() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { worker in
                try await rig.rename("claim", to: "claim_elsewhere")
                try await eventually("it counts as away") { worker.queue.connector.refuses }
                #expect(!worker.queue.isReady)
                try await rig.rename("claim_elsewhere", to: "claim")
                try await eventually("it is back") { worker.queue.isReady }
                let complaints = worker.recorder.complaints
                #expect(complaints.count == 1, "\(complaints)")
            }
        }
    }

    @Test("all backends are terminated while nobody waits, and nothing is left of that")
    func idle() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { worker in
                for n in 0..<5 {
                    #expect(await rig.outcome(of: .sample(text: "\(n)")).text == "\"\(n)\"")
                    let now = try await rig.database.query("select clock_timestamp()::text").first?.first ?? nil
                    try await rig.terminate()
                    try await eventually("both are registered again") {
                        try await rig.database.query(
                            """
                            select count(distinct application_name)::text
                              from pg_stat_activity
                              join pg_locks on pg_locks.pid = pg_stat_activity.pid
                             where datname = current_database() and application_name like 'test-%'
                               and classid = rejoinder.lock_class('alive') and granted
                               and backend_start > '\(try #require(now))'
                            """
                        ) == [["2"]]
                    }
                }
                try await eventually("both know it") { worker.queue.isReady && rig.ingress.isConnected }
            }
        }
    }

    @Test("backends are terminated again and again under load")
    func again() async throws {
        try await Rig.run { rig in
            let handled = Counter()
            let ended = Counter()
            try await rig.withWorker { claim in
                handled.add()
                return .answered(claim.payload)
            } _: { _ in
                let breaking = Task {
                    while !Task.isCancelled {
                        let before = handled.value
                        try await rig.terminate(["test-worker", "test-ingress"].randomElement() ?? "")
                        ended.add()
                        repeat { try await Task.sleep(for: .milliseconds(50)) } while handled.value == before
                    }
                }
                for _ in 0..<10 {
                    let events = (0..<100).map { NewEvent.sample(text: "\($0)") }
                    #expect(await rig.outcomes(of: events).map(\.text) == events.map(\.text))
                }
                // It goes on to the end.
                let before = ended.value
                try await eventually("backends are ended still") {
                    _ = await rig.outcome()
                    return ended.value > before
                }
                breaking.cancel()
                _ = await breaking.result
            }
        }
    }

    @Test("claims that got lost with their connection are given back, and answered, the attempt refunded")
    func lostClaims() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { worker in
                let process = try #require(worker.queue.session.registration?.process)
                let ingress = try #require(rig.ingress.session.registration?.process)
                let events = (0..<5).map { NewEvent.sample(text: "\($0)") }
                // Judged by its heartbeat alone, so that a slow machine has the time for a new connection.
                try await rig.database.query(
                    "update rejoinder.process set has_session = false, holds_lock = false where id = \(process)"
                )
                // As if it had claimed them, and the connection broke before it heard of it.
                for event in events {
                    try await rig.database.query(
                        """
                        with received as (
                            insert into rejoinder.received (id, enqueued_at, deadline, ingress, endpoint, node, payload)
                            values ('\(event.id)', now(), now() + interval '29 s', \(ingress), '/', 'node', '\(event.text)')
                            returning id, enqueued_at, deadline, ingress, endpoint, node
                        )
                        insert into rejoinder.live
                               (id, enqueued_at, deadline, ingress, endpoint, node, attempt, worker, claimed_at)
                        select r.*, 1, \(process), now() from received as r
                        """
                    )
                }
                async let outcomes = rig.outcomes(of: events)
                try await rig.terminate("test-worker")
                #expect(await outcomes == events.map { .answered($0.payload, attempt: 1) })
                #expect(worker.recorder.entries.contains { $0.message.contains("gave back claims") })
            }
        }
    }

    @Test("an outcome that is about to be sent is not mistaken for a lost claim", arguments: [false, true])
    func reconciliation(atMostOnce: Bool) async throws {
        try await Rig.run { rig in
            let runs = Counter()
            let gate = Gate()
            let held = Mailbox<EventID>()
            try await rig.withWorker([.sample(atMostOnce: atMostOnce)]) { claim in
                runs.add()
                held.send(claim.id)
                await gate.passed()
                return .answered(claim.payload)
            } _: { worker in
                let events = (0..<10).map { NewEvent.sample(text: "\($0)") }
                async let outcomes = rig.outcomes(of: events)
                for _ in events { _ = try await held.next() }
                // The next trip carries their outcomes, and looks whether the database holds the same.
                worker.queue.state.withLock { $0.shouldReconcile = true }
                gate.open()
                #expect(await outcomes == events.map { .answered($0.payload, attempt: 1) })
                #expect(runs.value == events.count)
            }
        }
    }

    @Test("a lane whose claims fail hurts no other lane")
    func failingLane() async throws {
        try await Rig.run { rig in
            try await rig.database.query(
                """
                create function curse() returns trigger language plpgsql as
                $$ begin raise exception 'cursed'; end $$
                """
            )
            try await rig.database.query(
                """
                create trigger cursed before update on rejoinder.live for each row
                when (new.node = 'cursed' and new.worker is not null) execute function curse()
                """
            )
            try await rig.withWorker([.sample(["node"]), .sample(["cursed"])]) { _ in
                let cursed = Task { await rig.outcome(of: .sample(node: "cursed", timeLeft: .seconds(100))) }
                for n in 0..<20 { #expect(await rig.outcome(of: .sample(text: "\(n)")).text == "\"\(n)\"") }
                cursed.cancel()
                let outcome = await cursed.value
                #expect(outcome == .abandoned)
            }
        }
    }

    @Test(
        "the server is killed and comes back while 100 wait and a worker holds half of them",
        arguments: [false, true]
    )
    func serverRestart(writesLate: Bool) async throws {
        // Until then nothing is on the disk of what commits asynchronously.
        let settings = ["fsync": "off", "wal_writer_delay": writesLate ? "10s" : "200ms"]
        try await TestCluster.withCluster(settings: settings) { cluster, database in
            try await Rig.run(in: database) { rig in
                let gate = Gate()
                let count = Counter()
                try await rig.withWorker([.sample(slots: 50)]) { claim in
                    count.add()
                    await gate.passed()
                    return .answered(claim.payload)
                } _: { _ in
                    let events = (0..<100).map { NewEvent.sample(text: "\($0)") }
                    async let outcomes = rig.outcomes(of: events)
                    try await eventually("half of them run") { count.value >= 50 }
                    try await cluster.stop(.immediate)
                    gate.open()
                    try await cluster.start()
                    #expect(await outcomes.map(\.text) == events.map(\.text))
                }
            }
        }
    }

    @Test("a database that stays away is not waited for longer than asked; when it is back, so is the queue")
    func databaseAway() async throws {
        var limits = IngressQueue.Limits()
        limits.databaseWait = .milliseconds(200)
        try await TestCluster.withCluster { cluster, database in
            try await Rig.run(limits: limits, in: database) { rig in
                try await rig.withWorker { _ in
                    #expect(await rig.outcome().text == "\"hello\"")
                    try await cluster.stop(.immediate)
                    #expect(await rig.outcome() == .unavailable)
                    #expect(await rig.outcome() == .unavailable)
                    #expect(!rig.ingress.isReady)
                    try await cluster.start()
                    try await eventually("the queue works again") { await rig.outcome().text == "\"hello\"" }
                }
            }
        }
    }
}
