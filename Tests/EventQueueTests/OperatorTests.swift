import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("What an operator does from psql", .timeLimit(.minutes(10)))
struct OperatorTests {
    private struct Scene {
        let psql: PostgresConnection
        let ingress: Mailbox<String>
        let worker: Mailbox<String>
        let lane: Int32
        let queued: EventID
        let running: EventID
    }

    /// One event queued, one running, and the ears of their ingress and worker.
    private func withEvents(_ body: (Scene) async throws -> Void) async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.connect()
            let worker = try await database.connect()
            let ingressID = try await ingress.register(.ingress).process
            let registration = try await worker.register(.worker, [.sample()])
            let ids = try await ingress.enqueue([.sample(), .sample()], ingress: ingressID)
            let claim = try #require(try await worker.claim(registration.process, count: 1).first)
            #expect(claim.id == ids[0])
            let scene = Scene(
                psql: try await database.connect(),
                ingress: try await ingress.notifications(of: ingressID),
                worker: try await worker.notifications(of: registration.process),
                lane: try #require(registration.lanes.first),
                queued: ids[1],
                running: ids[0]
            )
            try await body(scene)
            await ingress.close()
            await worker.close()
        }
    }

    private func refusal(_ scene: Scene, _ sql: String) async throws -> PostgresError {
        try await #require(throws: PostgresError.self, "\(sql)") { try await scene.psql.query("select (\(sql))::text") }
    }

    @Test("cancel ends a queued or running event, tells its caller, and its worker")
    func cancel() async throws {
        try await self.withEvents { scene in
            for id in [scene.queued, scene.running] {
                #expect(try await scene.psql.query("select rejoinder.cancel('\(id)')::text") == [["cancelled"]])
                #expect(try await scene.ingress.next() == done(id))
            }
            #expect(try await scene.worker.next() == "cancel \(scene.running)")
            #expect(
                try await scene.psql.events("state", "code") == [
                    ["cancelled", "cancelled"], ["cancelled", "cancelled"],
                ]
            )

            let again = try await self.refusal(scene, "rejoinder.cancel('\(scene.queued)')")
            #expect(
                again.message == "event \(scene.queued) is cancelled: only a queued or running one can be cancelled"
            )
            let unknown = EventID()
            let absent = try await self.refusal(scene, "rejoinder.cancel('\(unknown)')")
            #expect(absent.message == "there is no event \(unknown)")
            #expect(absent.hint == "select id from rejoinder.queue")
        }
    }

    @Test("a transaction that an operator leaves open is ended, and what it changed is let go")
    func leftOpen() async throws {
        try await TestCluster.withDatabase { database in
            let psql = try await database.connect()
            for (timeout, expected) in [("0", "5s"), ("1min", "5s"), ("2s", "2s"), ("0", "5s")] {
                try await psql.query("set idle_in_transaction_session_timeout = '\(timeout)'")
                try await psql.query("begin")
                try await psql.query("select rejoinder.pause('node')")
                #expect(try await psql.query("show idle_in_transaction_session_timeout") == [[expected]])
                try await psql.query("rollback")
                #expect(try await psql.query("show idle_in_transaction_session_timeout") == [[timeout]])
            }
            let (ends, ended) = AsyncStream.makeStream(of: Void.self)
            await psql.watch(onNotification: { _ in }, onClose: { _ in ended.finish() })
            try await psql.query("begin")
            try await psql.query("select rejoinder.pause('node')")
            for await _ in ends {}
            let other = try await database.connect()
            #expect(try await other.query("select rejoinder.pause('node')") == [["paused"]])
            #expect(try await other.query("select count(*)::text from rejoinder.audit") == [["1"]])
        }
    }

    @Test("retry queues an ended event again with all its attempts and a new deadline, and wakes a worker")
    func retry() async throws {
        try await self.withEvents { scene in
            let early = try await self.refusal(scene, "rejoinder.retry('\(scene.running)')")
            #expect(
                early.message
                    == "event \(scene.running) is running: only a failed, expired or cancelled one can be retried"
            )
            try await scene.psql.query("select rejoinder.cancel('\(scene.running)')::text")
            try await scene.psql.run(
                script: """
                    update rejoinder.live set deadline = now() - interval '1 hour';
                    update rejoinder.received set deadline = now() - interval '1 hour'
                    """,
                timeout: .seconds(5)
            )
            #expect(
                try await scene.psql.query("select rejoinder.retry('\(scene.running)', '1 minute')::text") == [
                    ["queued"]
                ]
            )
            let row = try await scene.psql.query(
                """
                select e.state::text, e.attempt::text, e.code, e.worker::text, l.ingress::text, e.finished_at::text,
                       (e.deadline between clock_timestamp() + interval '50 s' and clock_timestamp() + interval '60 s')::text
                  from rejoinder.event as e
                  join rejoinder.live as l on l.id = e.id
                 where e.id = '\(scene.running)'
                """
            )
            #expect(row == [["queued", "0", nil, nil, nil, nil, "true"]])
            let claims = try await scene.psql.claim(1, count: 5)
            #expect(claims.map(\.attempt) == [1])
            // Its caller is told nothing, having had a reply long ago.
            #expect(try await scene.psql.query("select ingress::text from rejoinder.live where worker = 1") == [[nil]])
            let twice = try await self.refusal(scene, "rejoinder.retry('\(scene.running)')")
            #expect(
                twice.message
                    == "event \(scene.running) is running: only a failed, expired or cancelled one can be retried"
            )

            let unknown = EventID()
            let absent = try await self.refusal(scene, "rejoinder.retry('\(unknown)')")
            #expect(absent.message == "there is no event \(unknown)")
            #expect(absent.hint?.contains("rejoinder.recent") == true)
        }
    }

    @Test("what may be started once only, and was, is retried where that is said; what was not, in any case")
    func retryOnce() async throws {
        try await self.withEvents { scene in
            try await scene.psql.query("update rejoinder.live set at_most_once = true")
            for id in [scene.running, scene.queued] {
                try await scene.psql.query("select rejoinder.cancel('\(id)')::text")
            }
            let refusal = try await self.refusal(scene, "rejoinder.retry('\(scene.running)')")
            #expect(
                refusal.message
                    == "event \(scene.running) was started, and may be once only: what its handler does may be done"
            )
            #expect(refusal.hint?.contains("again => true") == true)
            let steering = Operator(scene.psql, actor: "kim", via: "tests")
            #expect(try await steering.retry(scene.running, again: true) == "queued")
            #expect(try await steering.retry(scene.queued) == "queued")
            let said = try await scene.psql.query(
                "select detail ->> 'again' from rejoinder.audit where action = 'retry' order by id"
            )
            #expect(said == [["true"], [nil]])
        }
    }

    @Test(
        "retry and limit refuse what no claim could tell a worker",
        arguments: [
            ("rejoinder.retry(gen_random_uuid(), '1 month')", "time_left is 1 mon, expected 1 second to 1 day"),
            ("rejoinder.retry(gen_random_uuid(), '0')", "time_left is 00:00:00, expected 1 second to 1 day"),
            ("rejoinder.retry(gen_random_uuid(), null)", "time_left is null, expected 1 second to 1 day"),
            ("rejoinder.limit('a', null, 3e-7)", "per_second is 3e-07, expected 0.0001 to 1000000"),
            ("rejoinder.limit('a', null, 'NaN')", "per_second is NaN, expected 0.0001 to 1000000"),
        ]
    )
    func outOfRange(_ call: String, _ message: String) async throws {
        try await self.withEvents { scene in
            let refusal = try await self.refusal(scene, call)
            #expect(refusal.message == message)
        }
    }

    @Test("an event that is retried for a day is claimed, also one that is traced and has waited for an hour")
    func longRetry() async throws {
        try await self.withEvents { scene in
            try await scene.psql.query("select rejoinder.cancel('\(scene.queued)')::text")
            try await scene.psql.query("select rejoinder.retry('\(scene.queued)', '1 day')::text")
            try await scene.psql.query("update rejoinder.live set enqueued_at = enqueued_at - interval '1 hour'")
            try await scene.psql.query("update rejoinder.received set trace = 'trace'")
            let claims = try await scene.psql.claim(1, .sample(nil), count: 5)
            #expect(claims.map(\.id) == [scene.queued])
        }
    }

    @Test("what an operator does is on the disk when it has been done", arguments: ["cancel", "retry"])
    func durable(_ action: String) async throws {
        try await self.withEvents { scene in
            if action == "retry" { try await scene.psql.query("select rejoinder.cancel('\(scene.queued)')::text") }
            try await scene.psql.run(script: "begin", timeout: .seconds(5))
            try await scene.psql.query("select rejoinder.\(action)('\(scene.queued)')::text")
            #expect(try await scene.psql.query("show synchronous_commit") == [["local"]])
            try await scene.psql.run(script: "rollback", timeout: .seconds(5))
        }
    }

    @Test("answer_by_hand answers the caller with the message, and cancels the handler")
    func answerByHand() async throws {
        try await self.withEvents { scene in
            let text = #"It''s "done" é"#
            #expect(
                try await scene.psql.query("select rejoinder.answer_by_hand('\(scene.running)', '\(text)')::text")
                    == [["answered"]]
            )
            let words = #"{"status" : true, "response" : ["It's \"done\" é"]}"#
            let waited = try await scene.psql.waited(scene.running)
            #expect(try await scene.ingress.next() == done(scene.running, 1, waited: waited, words))
            #expect(try await scene.worker.next() == "cancel \(scene.running)")
            try await scene.psql.query("select rejoinder.answer_by_hand('\(scene.queued)', 'sorry', false)::text")
            let sorry = #"{"status" : false, "response" : ["sorry"]}"#
            #expect(try await scene.ingress.next() == done(scene.queued, 0, sorry))
            let rows = try await scene.psql.query(
                "select state::text, code, answer ->> 'status', answer -> 'response' ->> 0 from rejoinder.event order by place"
            )
            #expect(
                rows == [
                    ["answered", "by_hand", "true", #"It's "done" é"#], ["answered", "by_hand", "false", "sorry"],
                ]
            )

            let again = try await self.refusal(scene, "rejoinder.answer_by_hand('\(scene.queued)', 'x')")
            #expect(again.message == "event \(scene.queued) is already answered")
            let unknown = EventID()
            let absent = try await self.refusal(scene, "rejoinder.answer_by_hand('\(unknown)', 'x')")
            #expect(absent.message == "there is no event \(unknown)")
        }
    }

    @Test("what the ingress would refuse is refused: a reply of over 1 MiB; and a status that is not said is a success")
    func unusableReply() async throws {
        try await self.withEvents { scene in
            let call = "rejoinder.answer_by_hand('\(scene.queued)', repeat('x', 1 << 20))"
            #expect(try await self.refusal(scene, call).message.contains("expected 1 MiB at most"))
            try await scene.psql.query("select rejoinder.answer_by_hand('\(scene.queued)', 'x', null)::text")
            let stored = try await scene.psql.query(
                "select answer ->> 'status' from rejoinder.event where id = '\(scene.queued)'"
            )
            #expect(stored == [["true"]])
        }
    }

    @Test("an empty message is refused, since Haptik would take it for a bot break")
    func emptyMessage() async throws {
        try await self.withEvents { scene in
            for message in ["''", "'  '", "null"] {
                let error = try await self.refusal(scene, "rejoinder.answer_by_hand('\(scene.queued)', \(message))")
                #expect(error.message.hasPrefix("the message is empty"))
            }
            #expect(try await scene.psql.events("state") == [["running"], ["queued"]])
        }
    }
}
