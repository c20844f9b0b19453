import LocalPostgres
import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("What an operator does to workers, and what is on record", .timeLimit(.minutes(10)))
struct DrainTests {
    private func stopped(_ database: TestDatabase) async throws -> Bool {
        try await database.query(
            "select id::text from rejoinder.process where role = 'worker' and stopped_at is not null"
        ).count == 1
    }

    @Test("a drained worker claims nothing more, finishes what it has, and stops", arguments: [true, false])
    func drain(isTold: Bool) async throws {
        try await Rig.run { rig in
            let gate = Gate()
            let worker = RunningWorker(rig.database) { claim in
                await gate.passed()
                return .answered(claim.payload)
            }
            try await eventually("the worker is ready") { worker.queue.isReady }
            let queue = Operator(try await rig.database.connect(), actor: "a", via: "test")
            async let running = rig.outcome()
            try await eventually("it runs") { try await queue.events(.init(state: .running)).count == 1 }
            let id = try #require(try await queue.workers().first?.id)
            if isTold {
                #expect(try await queue.drain(worker: id) == "draining")
            } else {
                // As where the notification got lost.
                try await rig.database.query(
                    "update rejoinder.process set draining_at = clock_timestamp() where id = \(id) returning 1::text"
                )
            }
            #expect(try await queue.workers().first?.isDraining == true)
            try await eventually("it claims nothing more") { worker.queue.state.withLock { $0.isStopping } }
            let late = EventID()
            async let unserved = rig.outcome(of: .sample(id: late))
            try await eventually("it is queued") { try await rig.state(of: late) == "queued" }
            gate.open()
            #expect(await running.text == "\"hello\"")
            try await eventually("it has stopped") { try await self.stopped(rig.database) }
            #expect(await unserved == .unserved)
            #expect(worker.recorder.entries.count { "\($0)".contains("as an operator asked") } == 1)
            await worker.stop()
        }
    }

    @Test("a worker that drains while the database is away waits for it no longer than its events have time")
    func databaseAway() async throws {
        try await TestCluster.withCluster { cluster, database in
            let connection = try await database.connect()
            let held = Mailbox<EventID>()
            let gate = Gate()
            let worker = RunningWorker(database) { claim in
                held.send(claim.id)
                await gate.passed()
                return .answered(claim.payload)
            }
            try await eventually("the worker is ready") { worker.queue.isReady }
            let event = NewEvent.sample(timeLeft: .seconds(2))
            try await connection.enqueue([event], ingress: 1)
            #expect(try await held.next() == event.id)
            try await cluster.stop(.immediate)
            gate.open()
            await worker.stop()
            #expect(ContinuousClock.now >= event.deadline)
        }
    }

    @Test("only a live worker can be drained")
    func noWorker() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let ingress = try await connection.register(.ingress).process
            let stopped = try await connection.register(.worker, [.sample()]).process
            try await connection.execute(PostgresCall(Statements.deregister, .of { $0.append(stopped) }))
            let queue = Operator(connection, actor: "a", via: "test")
            for id in [ingress, stopped, 4711] {
                let error = try await #require(throws: QueueError.self) { try await queue.drain(worker: id) }
                #expect(error.code == .refused && error.message == "there is no worker \(id)")
            }
            #expect(try await queue.audit() == [])
        }
    }

    @Test("whatever an operator does is on record, with who did it by what; the login can't be feigned")
    func audit() async throws {
        try await TestCluster.withDatabase { database in
            let owner = try await database.connect()
            let worker = try await owner.register(.worker, [.sample()]).process
            let ids = try await owner.enqueue([.sample(text: "secret"), .sample()], ingress: 1)
            let connection = try await database.asMember(of: "rejoinder_operator").connect()
            let queue = Operator(connection, actor: "kim@desk", via: "dashboard")
            try await queue.cancel(ids[0])
            try await queue.retry(ids[0], timeLeft: .seconds(90))
            try await queue.answer(ids[1], "a secret message", status: false)
            try await queue.pause("node", waits: true)
            try await queue.resume("node")
            try await queue.limit("node", running: 5, perSecond: 2)
            try await queue.drain(worker: worker)
            // What failed is none of it.
            await #expect(throws: QueueError.self) { try await queue.cancel(EventID()) }
            let entries = try await queue.audit()
            #expect(entries.allSatisfy { $0.actor == "kim@desk" && $0.via == "dashboard" })
            let login = #"{"login": "member_rejoinder_operator""#
            #expect(
                entries.reversed().map { [$0.action, $0.target] } == [
                    ["cancel", "\(ids[0])"], ["retry", "\(ids[0])"], ["answer_by_hand", "\(ids[1])"],
                    ["pause", "node"],
                    ["resume", "node"], ["limit", "node"], ["drain", "\(worker)"],
                ]
            )
            let details = entries.reversed().map(\.detail)
            #expect(details[4] == login + "}")
            #expect(details[5].contains(#""max_running": 5"#) && details[5].contains(#""max_per_second": 2"#))
            #expect(details.allSatisfy { $0.contains("member_rejoinder_operator") && !$0.contains("secret") })

            try await connection.query("select rejoinder.pause('node')")
            let own = try #require(try await queue.audit(limit: 1).first)
            #expect(own.actor == "member_rejoinder_operator" && own.via == "psql" && !own.detail.contains("login"))
        }
    }

    @Test("what was done more than 90 days ago is forgotten")
    func forgotten() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let queue = Operator(connection, actor: "a", via: "test")
            for node in ["old", "new"] { try await queue.pause(node) }
            try await connection.query(
                """
                update rejoinder.audit
                   set at = at - case target when 'old' then interval '91 days' else '89 days' end
                returning 1::text
                """
            )
            try await connection.execute(PostgresCall(Statements.tidy))
            #expect(try await queue.audit().map(\.target) == ["new"])
        }
    }

    @Test("events are listed newest first, by state, node and age, without payload and answer")
    func events() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            var ids: [EventID] = []
            for node in ["a", "node", "node"] {
                ids += try await connection.enqueue([.sample(node: node, text: "secret")], ingress: 1)
            }
            let claim = try #require(try await connection.claim(worker, count: 1).first)
            try await connection.answer(worker, [(claim, .failed(code: "refused", error: "no"))])
            let queue = Operator(connection, actor: "a", via: "test")
            #expect(try await queue.events().map(\.id) == ids.reversed().map(\.description))
            #expect(try await queue.events(.init(limit: 1)).map(\.id) == [ids[2].description])
            #expect(try await queue.events(.init(state: .queued)).map(\.id) == [ids[2], ids[0]].map(\.description))
            #expect(try await queue.events(.init(state: .queued, node: "a")).map(\.id) == [ids[0].description])
            #expect(try await queue.events(.init(state: .running)).isEmpty)
            #expect(try await queue.events(.init(since: .milliseconds(0))).isEmpty)
            let failed = try #require(try await queue.events(.init(state: .failed)).first)
            #expect(failed.id == ids[1].description && failed.code == "refused" && failed.error == "no")
            #expect(failed.worker == Int(worker) && failed.attempt == 1 && failed.finishedAt?.hasSuffix("Z") == true)
            #expect(try await queue.event(ids[1]) == failed)
            #expect(try await queue.event(EventID()) == nil)
            #expect(try await queue.failures().map(\.id) == [failed.id])
            #expect(try await queue.overview().map(\.node) == ["a", "node"])
            #expect(!"\(try await queue.events())".contains("secret"))
        }
    }
}
