import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("An idle lane is handed what is enqueued", .timeLimit(.minutes(10)))
struct GrantTests {
    @Test("the first that serves all of a batch runs it, without a claim, and its answers are taken")
    func handed() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.connect()
            let process = try await ingress.register(.ingress).process
            try await ingress.known("node", "other")
            let lanes: [LaneOptions] = [.sample(["other"]), .sample(["node"], maxAttempts: 7), .sample(nil)]
            var workers: [Sleeper] = []
            for lane in lanes { workers.append(try await Sleeper(database, lane)) }
            let events = [NewEvent.sample(text: "é 😀"), .sample()]
            try await ingress.enqueue(events, ingress: process)
            for event in events {
                let grant = try #require(try await workers[1].grant())
                #expect(grant.lane == workers[1].lane)
                #expect([event.id, events[1].id].contains(grant.id))
                #expect(grant.payload == events.first { $0.id == grant.id }?.payload)
                #expect((.seconds(28)...(.seconds(29))).contains(grant.timeLeft))
            }
            let rows = try await ingress.events("state", "attempt", "worker", "max_attempts", "place")
            #expect(
                rows.map { Array($0.prefix(4)) }
                    == Array(repeating: ["running", "1", "\(workers[1].process)", "7"], count: 2)
            )
            let claims = try zip(events, rows).map { event, row in
                Claim.sample(id: event.id, place: try #require(row[4].flatMap { Int64($0) }))
            }
            let states = try await workers[1].connection.answer(
                workers[1].process,
                claims.map { ($0, .answered(Array("1".utf8))) }
            )
            #expect(states == [events[0].id: "answered", events[1].id: "answered"])

            // Again is harmless, and hands nothing out.
            try await ingress.enqueue(events + [.sample(node: "other")], ingress: process)
            #expect(try await ingress.events("state").filter { $0 == ["answered"] }.count == 2)
            let third = try #require(try await workers[2].grant())
            #expect(third.node == "other")
        }
    }

    @Test("nobody is handed anything while another is eager for the node, or when it is not for handing out")
    func notHanded() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.connect()
            let process = try await ingress.register(.ingress).process
            try await ingress.known("node", "paused", "limited", "slow", "once", "eager")
            let once = try await Sleeper(database, .sample(["once"], atMostOnce: true))
            let worker = try await Sleeper(database, .sample(["node", "paused", "limited", "slow", "new"]))
            let eager = try await Sleeper(database, .sample(["eager"]), .eager)
            _ = try await Sleeper(database, .sample(["eager"]))
            try await ingress.enqueue(
                ["paused", "limited", "slow"].map { .sample(node: $0) },
                ingress: process
            )
            for _ in 0..<3 { #expect(try await worker.grant() != nil) }
            try await ingress.query("select rejoinder.pause('paused', true)")
            try await ingress.query("select rejoinder.limit('limited', 1, null)")
            try await ingress.query("update rejoinder.node set takes = '10 s' where name = 'slow'")

            let long = NewEvent.sample(text: String(repeating: "x", count: 7800))
            let many = (0..<17).map { _ in NewEvent.sample() }
            for batch in [
                [NewEvent.sample(node: "once")], [.sample(node: "eager")], [.sample(node: "paused")],
                [.sample(node: "limited")], [.sample(), .sample(node: "new")],
                [.sample(node: "slow", timeLeft: .seconds(5))], [.sample(), .sample(node: "eager")], [long], many,
            ] {
                try await ingress.enqueue(batch, ingress: process)
            }
            #expect(try await once.told.next() == "wake \(once.lane)")
            let running = try await ingress.query("select count(*)::text from rejoinder.event where state = 'running'")
            #expect(running == [["3"]])
            _ = eager

            // One whose process has not beaten for a while may hang.
            try await ingress.query("update rejoinder.process set heartbeat_at = now() - interval '3 s'")
            try await ingress.enqueue([.sample()], ingress: process)
            #expect(
                try await ingress.query("select count(*)::text from rejoinder.event where state = 'running'") == running
            )
        }
    }

    @Test("an event is handed over up to the length of a notification, whatever of it is long")
    func longest() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.connect()
            let process = try await ingress.register(.ingress).process
            let node = String(repeating: "😀", count: 200)
            let endpoint = "/" + String(repeating: "e", count: 999)
            try await ingress.known(node)
            let worker = try await Sleeper(database, .sample([node]))
            func event(_ bytes: Int) -> NewEvent {
                let text = String(repeating: "x", count: bytes - node.utf8.count - endpoint.utf8.count - 2)
                var event = NewEvent(
                    endpoint: endpoint,
                    node: node,
                    payload: Array("\"\(text)\"".utf8),
                    deadline: .now + .seconds(29)
                )
                event.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                return event
            }
            let (fits, isLonger) = (event(7800), event(7801))
            try await ingress.enqueue([fits], ingress: process)
            #expect(try await worker.grant()?.payload == fits.payload)
            try await ingress.enqueue([isLonger], ingress: process)
            #expect(try await worker.told.next() == "wake \(worker.lane)")
        }
    }

    @Test(
        "a worker that is handed more than it has slots for gives the rest back, and each is answered at its first attempt"
    )
    func overflow() async throws {
        try await Rig.run { rig in
            try await rig.database.query("insert into rejoinder.node (name) values ('node')")
            let gate = Gate()
            let first = RunningWorker(rig.database, [.sample(slots: 2)]) { claim in
                await gate.passed()
                return .answered(claim.payload)
            }
            try await eventually("the worker lies idle") {
                try await rig.database.query(
                    """
                    select name
                      from rejoinder.lane as l, unnest(array['eager', 'idle']) as name
                      join pg_locks on locktype = 'advisory' and classid = rejoinder.lock_class(name)
                     where objid = l.id and database = (select oid from pg_database where datname = current_database())
                    """
                ) == [["idle"]]
            }
            let events = (0..<10).map { _ in NewEvent.sample() }
            let outcomes = Task { await rig.outcomes(of: events) }
            try await eventually("it has given back what it has no slots for") {
                try await rig.database.query("select count(*)::text from rejoinder.event where state = 'queued'") == [
                    ["8"]
                ]
            }
            gate.open()
            #expect(await outcomes.value == events.map { .answered($0.payload, attempt: 1) })
            await first.stop()
        }
    }
}

extension Sleeper {
    /// What it is handed; nil where it is told something else.
    fileprivate func grant() async throws -> QueueNotification.Grant? {
        guard case .grant(let grant)? = QueueNotification(payload: try await self.told.next()) else { return nil }
        return grant
    }
}
