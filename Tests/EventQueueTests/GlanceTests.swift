import Logging
import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("What a dashboard reads", .timeLimit(.minutes(10)))
struct GlanceTests {
    /// Finished events that arrive evenly from an instant on, that many milliseconds apart, and take 100 ms each.
    private static func insert(_ count: Int, apart: Double, from start: String, node: String, state: String) -> String {
        """
        insert into rejoinder.outcome (id, place, state, attempt, enqueued_at, claimed_at, finished_at, node, answer)
        select overlay(
                   md5(random()::text) placing left(replace(rejoinder.id_at(t)::text, '-', ''), 13) from 1 for 13
               )::uuid,
               nextval('rejoinder.place'), '\(state)', 1, t, t, t + interval '100 ms', '\(node)', '{}'
          from generate_series(0, \(count - 1)) as i
         cross join lateral (select (\(start))::timestamptz + i * \(apart) * interval '1 ms' as t) as instant
        """
    }

    @Test("minutes are counted exactly where they can be, and else by places, whether calls come evenly or all at once")
    func minutes() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let sql = "select (floor(extract(epoch from now()) / 60) - 10)::integer::text"
            let text = try await connection.query(sql).first?.first ?? nil
            let minute = try #require(Int(text ?? ""))
            func start(_ number: Int) -> String { "to_timestamp(\(minute + number) * 60.0)" }
            for part in 0..<6 {  // 1,000 a second
                let seconds = "\(start(1)) + interval '\(part * 10) seconds'"
                try await connection.query(Self.insert(10_000, apart: 1, from: seconds, node: "a", state: "answered"))
            }
            for (count, apart, number, node, state) in [
                (120, 500.0, 0, "a", "answered"), (60, 1000, 0, "b", "failed"),  // 3 a second
                (300, 0.03, 2, "a", "answered"),  // within 9 ms
            ] {
                try await connection.query(
                    Self.insert(count, apart: apart, from: start(number), node: node, state: state)
                )
            }
            let reader = QueueReader(database.configuration, logger: .init(label: "test"))
            let counts = try await reader.minutes(minute..<minute + 4)
            func calls(_ number: Int) -> [MinuteCount] { counts.filter { $0.minute == minute + number } }
            let exact = calls(0).sorted { $0.node < $1.node }
            #expect(exact.map(\.calls) == [120, 60])
            #expect(exact.map(\.state) == ["answered", "failed"])
            // 100 ms: 8 log2(100) is 53.15.
            #expect(exact.map(\.bucket) == [53, nil])
            #expect(exact.allSatisfy { !$0.sampled })
            let many = calls(1).reduce(0) { $0 + $1.calls }
            #expect(abs(many - 60_000) < 600, "\(many)")
            #expect(!calls(1).contains { !$0.sampled })
            let burst = calls(2).reduce(0) { $0 + $1.calls }
            // 33 in a millisecond, and within one the ids are in no order.
            #expect(abs(burst - 300) <= 40, "\(burst)")
            #expect(calls(3).isEmpty)

            let noted = "select rejoinder.note_incidents(1, $1, $2, $3, $4, $5)"
            try await connection.execute(
                .sql(noted) {
                    $0.append(["call", "call", "call", "database"] as [String]?)
                    $0.append(["signature", "overloaded", "not_found", "connection_lost"] as [String]?)
                    $0.append(["", "a", "", ""] as [String]?)
                    $0.append([4, 2, 7, 5] as [Int32])
                    $0.append([0, 0, 0, 0] as [Int32])
                }
            )
            let now = try await connection.query(
                "select floor(extract(epoch from max(minute)) / 60)::text from rejoinder.incident"
            )
            let latest = try #require(now.first?.first?.flatMap { Int($0) })
            let refused = try await reader.minutes(latest..<latest + 1).sorted { $0.node < $1.node }
            #expect(refused.map(\.state) == ["refused", "refused"])
            #expect(refused.map(\.node) == ["", "a"] && refused.map(\.calls) == [4, 2])
        }
    }

    @Test("of more nodes than are shown those that are steered are there, and the totals are of all")
    func many() async throws {
        try await TestCluster.withDatabase { database in
            let owner = try await database.connect()
            try await owner.enqueue((0..<120).map { .sample(node: "node \($0)") }, ingress: 1)
            try await owner.query("select rejoinder.pause('zz paused')")
            for _ in 0..<3 { _ = try await owner.register(.worker, [.sample(["a"], slots: 5)]) }
            let glance = try await QueueReader(database.configuration, logger: .init(label: "test")).glance()
            #expect(glance.nodes.count == 100 && glance.nodes.contains { $0.node == "zz paused" && $0.paused })
            #expect(glance.total.nodes == 122 && glance.total.queued == 120 && glance.total.running == 0)
            #expect(glance.total.oldest != nil)
            #expect(glance.fleet.workers == 3 && glance.fleet.slots == 15 && glance.fleet.busy == 0)
        }
    }

    @Test("a glance shows nodes, workers, arrivals and the latest failures; an ingress's login is enough")
    func glance() async throws {
        try await TestCluster.withDatabase { database in
            let owner = try await database.connect()
            let worker = try await owner.register(.worker, [.sample(["a"], slots: 3)])
            let ids = try await owner.enqueue(
                [.sample(node: "a"), .sample(node: "a"), .sample(node: "b"), .sample(node: "b")],
                ingress: 1
            )
            try await owner.query("select rejoinder.claim(\(worker.process), '{a}', 1)::text")
            try await owner.query("select rejoinder.cancel('\(ids[3])')::text")
            try await owner.query("select rejoinder.pause('c', true), rejoinder.limit('c', 4, 2.5)")
            let ingress = try await database.asMember(of: "rejoinder_ingress")
            let reader = QueueReader(ingress.configuration, logger: .init(label: "test"))
            let glance = try await reader.glance()
            let nodes = Dictionary(uniqueKeysWithValues: glance.nodes.map { ($0.node, $0) })
            #expect(glance.total.nodes == 3 && nodes.count == 3)
            #expect(nodes["a"]?.queued == 1 && nodes["a"]?.running == 1 && nodes["a"]?.workers == 1)
            #expect(nodes["b"]?.queued == 1 && nodes["b"]?.workers == 0 && nodes["b"]?.oldest != nil)
            #expect(nodes["c"]?.paused == true && nodes["c"]?.waits == true && nodes["c"]?.oldest == nil)
            #expect(nodes["c"]?.maxRunning == 4 && nodes["c"]?.maxPerSecond == 2.5)
            #expect(glance.workers.map(\.nodes) == [["a"]] && glance.workers.map(\.slots) == [3])
            #expect(glance.arrivals.calls == 4 && glance.arrivals.seconds == 10)
            #expect(glance.failures.map(\.id) == [ids[3].description] && glance.failures.map(\.code) == ["cancelled"])
            #expect(glance.live.map(\.id) == [ids[0], ids[1], ids[2]].map(\.description))
            #expect(glance.live.map(\.state) == ["running", "queued", "queued"])
            #expect(glance.live[0].worker?.contains("(\(worker.process))") == true && glance.live[1].worker == nil)
            #expect(nodes["a"]?.longest != nil && nodes["b"]?.longest == nil)
            #expect(glance.steered.map(\.action) == ["limit", "pause", "cancel"])
            #expect(glance.incidents.isEmpty && glance.snapshot == nil && glance.seesSnapshots)
            let sight = try await reader.sight(of: ids[3])
            #expect(sight?.state == "cancelled" && sight?.node == "b")
            let none = try await reader.sight(of: EventID())
            #expect(none?.id == nil)
            let steps = try await reader.life(of: ids[3]).map(\.step)
            #expect(steps.contains("enqueued"))
            let error = try await #require(throws: QueueError.self) { _ = try await reader.contents(of: ids[3]) }
            #expect(error.underlying?.sqlState == PostgresError.insufficientPrivilege)

            try await owner.run(
                script: "begin isolation level repeatable read; select from rejoinder.live",
                timeout: .seconds(10)
            )
            let held = try await reader.glance().snapshot
            #expect(held?.pid != nil && held?.state == "idle in transaction", "\(String(describing: held))")
        }
    }
}
