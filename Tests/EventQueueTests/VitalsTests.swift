import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("vital figures")
struct VitalsTests {
    private func row(_ metric: String, _ node: String?, _ value: Double) -> VitalsGauges.Row {
        VitalsGauges.Row(metric: metric, node: node, value: value)
    }

    @Test("nodes that share a label are one: events are added up, of workers the fewest count, of the rest the most")
    func folding() {
        let rows = [
            self.row("rejoinder_queue_events state=queued", "a", 1),
            self.row("rejoinder_queue_events state=queued", "b", 2),
            self.row("rejoinder_queue_events state=queued", "c", 3),
            self.row("rejoinder_queue_oldest_age_seconds", "b", 7),
            self.row("rejoinder_queue_oldest_age_seconds", "c", 5),
            self.row("rejoinder_node_workers", "b", 3),
            self.row("rejoinder_node_workers", "c", 0),
            self.row("rejoinder_workers", nil, 4),
        ]
        let values = VitalsGauges.folded(rows) { $0 == "a" ? "a" : "other" }
        #expect(
            values == [
                .init(metric: "rejoinder_queue_events state=queued", node: "a"): 1,
                .init(metric: "rejoinder_queue_events state=queued", node: "other"): 5,
                .init(metric: "rejoinder_queue_oldest_age_seconds", node: "other"): 7,
                .init(metric: "rejoinder_node_workers", node: "other"): 0,
                .init(metric: "rejoinder_workers", node: nil): 4,
            ]
        )
    }

    @Test(
        "vitals() counts what waits and runs by node, its age, and the workers that serve it; the ingress may call it"
    )
    func figures() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query(
                "select registered::text from rejoinder.register('worker', 'w', 'h', 1, 'v', '[{\"nodes\": [\"a\"], \"slots\": 1}]')"
            )
            try await database.query(
                """
                select rejoinder.enqueue(
                    null, array[gen_random_uuid(), gen_random_uuid()], array['/w', '/w'], array['a', 'b'],
                    array[20000, 20000], array['{}', '{}']::json[]
                )::text
                """
            )
            let member = try await database.asMember(of: "rejoinder_ingress")
            func value(_ metric: String, _ node: String? = nil) async throws -> String? {
                let condition = node.map { "node = '\($0)'" } ?? "node is null"
                return try await member.query(
                    "select round(value)::text from rejoinder.vitals() where metric = '\(metric)' and \(condition)"
                ).first?.first ?? nil
            }
            #expect(try await value("rejoinder_queue_events state=queued", "a") == "1")
            #expect(try await value("rejoinder_queue_events state=running", "a") == "0")
            #expect(try await value("rejoinder_queue_events state=queued", "b") == "1")
            #expect(try await value("rejoinder_node_workers", "a") == "1")
            #expect(try await value("rejoinder_node_workers", "b") == "0")
            #expect(try await value("rejoinder_workers") == "1")
            #expect(try await value("rejoinder_notification_queue_ratio") == "0")
            let age = try await database.query(
                "select (value between 0 and 60)::text from rejoinder.vitals() where metric = 'rejoinder_queue_oldest_age_seconds' and node = 'a'"
            )
            #expect(age == [["true"]])
        }
    }

    @Test("nodes that nobody calls any more come last, and beyond the hundredth have no figure of workers")
    func retired() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query(
                """
                insert into rejoinder.node (name, last_seen_at)
                select 'gone ' || n, clock_timestamp() - interval '3 hours' from generate_series(1, 150) as n
                """
            )
            try await database.query("insert into rejoinder.node (name) values ('zz called')")
            let nodes = try await database.query(
                "select node from rejoinder.vitals() where metric = 'rejoinder_queue_events state=queued'"
            ).flatMap(\.self)
            #expect(nodes.count == 151 && nodes.first == "zz called")
            let served = try await database.query(
                "select node, value::text from rejoinder.vitals() where metric = 'rejoinder_node_workers'"
            )
            #expect(served.count == 100 && served.first == ["zz called", "0"])
            // A worker's own, and what is called, are there all the same.
            _ = try await database.connect().register(.worker, [.sample(["gone 150"])])
            try await database.connect().enqueue([.sample(node: "gone 149")], ingress: 1)
            try await database.query("update rejoinder.node set last_seen_at = now() where name = 'gone 148'")
            let most = try await database.query(
                "select node, value::text from rejoinder.vitals() where metric = 'rejoinder_node_workers'"
            )
            #expect(most.prefix(3) == [["gone 149", "0"], ["gone 148", "0"], ["zz called", "0"]])
            #expect(most.contains(["gone 150", "1"]))
        }
    }

    @Test("what vacuums holds nothing back, though it has a snapshot")
    func vacuum() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query("create table big as select generate_series(1, 100000) as n")
            let cleaner = try await database.connect()
            try await cleaner.run(
                script: "set vacuum_cost_delay = 100; set vacuum_cost_limit = 1; set statement_timeout = 0",
                timeout: .seconds(5)
            )
            let vacuum = Task { try await cleaner.run(script: "vacuum big", timeout: .seconds(60)) }
            let other = try await database.connect()
            try await eventually("it vacuums, with a snapshot") {
                try await !other.query(
                    """
                    select 1
                      from pg_stat_progress_vacuum as v
                      join pg_stat_activity as a on a.pid = v.pid
                     where a.backend_xmin is not null and v.relid = 'big'::regclass
                    """
                ).isEmpty
            }
            #expect(try await other.query("select pid::text from rejoinder.snapshots()") == [])
            try await other.query("select pg_cancel_backend(pid)::text from pg_stat_progress_vacuum")
            await #expect(throws: PostgresError.self) { try await vacuum.value }
        }
    }

    @Test("an open transaction that holds back the cleaning up shows its age")
    func oldSnapshot() async throws {
        try await TestCluster.withDatabase { database in
            let sql =
                "select (value > 0.05)::text from rejoinder.vitals() where metric = 'rejoinder_oldest_snapshot_age_seconds'"
            let holder = try await database.connect()
            try await holder.run(
                script: "begin isolation level repeatable read; select 1; select pg_sleep(0.1)",
                timeout: .seconds(10)
            )
            #expect(try await database.query(sql) == [["true"]])
            await holder.close()
            try await eventually("the transaction is gone") { try await database.query(sql) == [["false"]] }
        }
    }
}
