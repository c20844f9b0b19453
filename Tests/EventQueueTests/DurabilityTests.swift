import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Only what must wait for the disk does", .timeLimit(.minutes(10)))
struct DurabilityTests {
    private let id = EventID()

    /// How the transaction commits in which a function was called, of a session with its own setting.
    private func commit(_ call: String, on connection: PostgresConnection, session: String) async throws -> String? {
        try await connection.run(script: "set synchronous_commit = \(session)", timeout: .seconds(5))
        let sql = """
            with called as materialized (select 1 from \(call) as result)
            select current_setting('synchronous_commit') from (select count(*) from called) as counted
            """
        let commit = try await connection.query(sql).first?.first ?? nil
        #expect(try await connection.query("show synchronous_commit") == [[session]])
        return commit
    }

    @Test("what an ingress enqueues again if it is lost, and what notifies, commits asynchronously")
    func asynchronous() async throws {
        let calls = [
            "rejoinder.enqueue(1, '{}', '{}', '{}', '{}', '{}')", "rejoinder.claim(1, '{node}', 1)",
            "rejoinder.wake('{node}')", "rejoinder.settle(array['\(self.id)'::uuid])",
            "rejoinder.release(1, array['\(self.id)'::uuid], '{1}')", "rejoinder.recover()",
            "rejoinder.heartbeat(1, 0)", "rejoinder.tidy()", "rejoinder.drop_expired()",
            "rejoinder.abandon(array['\(self.id)'::uuid], '{cancelled}', '{x}')",
            "rejoinder.register('ingress', 'n', 'h', 1, 'v', process => 1, instance => 1)", "rejoinder.deregister(1)",
        ]
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.query("select rejoinder.register('ingress', 'n', 'h', 1, 'v', instance => 1)::text")
            try await connection.enqueue([.sample(id: self.id)], ingress: 1)
            for call in calls {
                let commit = try await self.commit(call, on: connection, session: "on")
                #expect(commit == "off", "\(call)")
            }
        }
    }

    @Test(
        "a first registration is on this server's disk, and waits for no standby",
        arguments: ["off", "on", "remote_apply"]
    )
    func registration(session: String) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let call = "rejoinder.register('ingress', 'n', 'h', 1, 'v')"
            #expect(try await self.commit(call, on: connection, session: session) == "local")
        }
    }

    @Test("answers, and claims and ends of what may run once are durable, whatever the session says")
    func durable() async throws {
        let running = EventID()
        let calls = [
            "rejoinder.claim(1, '{node}', 1, at_most_once => true)",
            "rejoinder.answer(1, array['\(self.id)'::uuid], '{1}', '{answered}', array['1'::json], '{null}', '{null}')",
            "rejoinder.abandon(array['\(running)'::uuid], '{cancelled}', '{x}')",
        ]
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue([.sample(id: self.id)], ingress: 1)
            for call in calls {
                for (session, expected) in [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
                    try await connection.query("delete from rejoinder.live where id = '\(running)'")
                    try await connection.query(
                        """
                        insert into rejoinder.live (id, enqueued_at, deadline, endpoint, node, worker, at_most_once)
                        values ('\(running)', now(), now() + interval '20 s', '/', 'another', 2, true)
                        """
                    )
                    try await connection.query("delete from rejoinder.outcome where id = '\(running)'")
                    let commit = try await self.commit(call, on: connection, session: session)
                    #expect(commit == expected, "\(call)")
                }
            }
        }
    }
}
