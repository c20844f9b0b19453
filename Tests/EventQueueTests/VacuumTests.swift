import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Vacuuming the queue's table", .timeLimit(.minutes(10)))
struct VacuumTests {
    private let start = ContinuousClock.now

    @Test("it is due when 10,000 events have gone through since the last one")
    func events() {
        var pace = VacuumPace()
        #expect(pace.isDue(emptiedBelow: 50_000, at: self.start) == false, "what was there before is autovacuum's")
        #expect(pace.isDue(emptiedBelow: 59_999, at: self.start) == false)
        #expect(pace.isDue(emptiedBelow: 60_000, at: self.start) == true)
        pace.took(.zero, emptiedBelow: 60_000, at: self.start)
        #expect(pace.isDue(emptiedBelow: 69_999, at: self.start + .seconds(100)) == false)
        #expect(pace.isDue(emptiedBelow: 70_000, at: self.start + .seconds(100)) == true)
    }

    @Test("it takes a hundredth of the time at most")
    func rest() {
        var pace = VacuumPace()
        _ = pace.isDue(emptiedBelow: 0, at: self.start)
        pace.took(.milliseconds(200), emptiedBelow: 0, at: self.start)
        #expect(pace.isDue(emptiedBelow: 1_000_000, at: self.start + .milliseconds(19_999)) == false)
        #expect(pace.isDue(emptiedBelow: 1_000_000, at: self.start + .seconds(20)) == true)
    }

    @Test("places that begin anew after a crash of the database begin anew here")
    func places() {
        var pace = VacuumPace()
        _ = pace.isDue(emptiedBelow: 1_000_000, at: self.start)
        #expect(pace.isDue(emptiedBelow: 5000, at: self.start) == false)
        #expect(pace.isDue(emptiedBelow: 14_999, at: self.start) == false)
        #expect(pace.isDue(emptiedBelow: 15_000, at: self.start) == true)
    }

    @Test("whoever owns the table may; ingresses and workers may where PostgreSQL can grant it, an operator may not")
    func permission() async throws {
        try await TestCluster.withDatabase { database in
            func mayVacuum(_ connection: PostgresConnection) async throws -> Bool {
                try await connection.execute(PostgresCall(Statements.mayVacuum)).bool(0, 0)
            }
            let owner = try await database.connect()
            #expect(try await mayVacuum(owner))
            let version = try #require(Int(try await owner.query("show server_version_num")[0][0] ?? ""))
            for (role, may) in [
                ("rejoinder_ingress", version >= 170_000), ("rejoinder_worker", version >= 170_000),
                ("rejoinder_operator", false),
            ] {
                let member = try await database.asMember(of: role).connect()
                #expect(try await mayVacuum(member) == may, "\(role)")
            }
        }
    }

    @Test("what went through the table leaves room for what comes")
    func room() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.query("alter table rejoinder.live set (autovacuum_enabled = off)")
            let worker = try await connection.register(.worker, [.sample(nil)]).process

            func pages() async throws -> Int {
                for _ in 0..<10 {
                    try await connection.enqueue((0..<200).map { _ in .sample() }, ingress: 0)
                    let claims = try await connection.claim(worker, .sample(nil), count: 200)
                    try await connection.answer(worker, claims.map { ($0, .answered([UInt8]("1".utf8))) })
                }
                let sql = "select (pg_relation_size('rejoinder.live') / 8192)::text"
                return try #require(Int(try await connection.query(sql)[0][0] ?? ""))
            }
            let first = try await pages()
            #expect(try await pages() > first)
            // What another session of the cluster that is just beginning might see is left for the next time.
            try await eventually("it takes no more pages") {
                try await connection.run(script: Statements.vacuum.sql, timeout: .seconds(30))
                let vacuumed = try await pages()
                try await connection.run(script: Statements.vacuum.sql, timeout: .seconds(30))
                return try await pages() == vacuumed
            }
        }
    }
}
