import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("The tables of an event's life", .timeLimit(.minutes(10)))
struct LiveTests {
    /// How many rows of `live` a transaction updated, and how many of them with no new entry in any index.
    private func updates(
        _ connection: PostgresConnection,
        _ body: () async throws -> Void
    ) async throws -> (all: Int, inPlace: Int) {
        // The counters of the session begin anew with a transaction or not, as the server sees fit.
        func counts() async throws -> [Int] {
            try await connection.query(
                """
                select pg_stat_get_xact_tuples_updated('rejoinder.live'::regclass)::text,
                       pg_stat_get_xact_tuples_hot_updated('rejoinder.live'::regclass)::text
                """
            ).flatMap { $0.compactMap { $0.flatMap { Int($0) } } }
        }
        try await connection.run(script: "begin", timeout: .seconds(5))
        let before = try await counts()
        try await body()
        let after = try await counts()
        try await connection.run(script: "commit", timeout: .seconds(5))
        try #require(before.count == 2 && after.count == 2)
        return (after[0] - before[0], after[1] - before[1])
    }

    @Test("a claim changes no index: it updates its row in place")
    func heapOnly() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            for size in [1, 5, 20, 100, 500, 500, 1] {
                try await connection.enqueue((0..<size).map { _ in .sample() }, ingress: 1)
                var claims: [Claim] = []
                let claimed = try await self.updates(connection) {
                    claims = try await connection.claim(worker, count: size)
                }
                #expect(claimed.all == size)
                #expect(claimed.inPlace == size)
                try await connection.answer(worker, claims.map { ($0, .answered([0x31])) })
            }
            // The counter counts: a new place is a new entry in the index.
            try await connection.enqueue([.sample()], ingress: 1)
            let claims = try await connection.claim(worker, count: 1)
            let released = try await self.updates(connection) { _ = try await connection.release(worker, claims) }
            #expect(released == (1, 0))
        }
    }

    @Test("no index of the queue has a column that a claim changes")
    func indexedColumns() async throws {
        try await TestCluster.withDatabase { database in
            let indexed = try await database.query(
                """
                select a.attname::text
                  from pg_index as i
                  join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
                 where i.indrelid = 'rejoinder.live'::regclass
                 order by 1
                """
            )
            #expect(indexed == [["id"], ["node"], ["place"]])
            let conditional = try await database.query(
                """
                select indexrelid::regclass::text from pg_index
                 where indrelid = 'rejoinder.live'::regclass and (indpred is not null or indexprs is not null)
                """
            )
            #expect(conditional == [])
        }
    }

    @Test("an event is in \"live\" until it ends, then in \"outcome\", and always in \"received\"")
    func oneOfTwo() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            try await connection.enqueue((0..<6).map { _ in .sample() }, ingress: 1)
            func counts() async throws -> [String?] {
                try await connection.query(
                    """
                    select (select count(*) from rejoinder.received)::text, (select count(*) from rejoinder.live)::text,
                           (select count(*) from rejoinder.outcome)::text
                    """
                ).flatMap(\.self)
            }
            #expect(try await counts() == ["6", "6", "0"])
            let claims = try await connection.claim(worker, count: 5)
            #expect(try await counts() == ["6", "6", "0"])
            let outcomes: [AttemptOutcome] = [
                .answered([0x31]), .failed(code: "x", error: ""), .retry(code: "y", error: ""), .expired,
            ]
            try await connection.answer(worker, Array(zip(claims, outcomes)))
            #expect(try await counts() == ["6", "3", "3"])
            try await connection.execute(.abandon([(claims[4].id, .hungUp), (claims[0].id, .hungUp)]))
            #expect(try await counts() == ["6", "2", "4"])
            try await connection.query("select rejoinder.retry('\(claims[4].id)')::text")
            #expect(try await counts() == ["6", "3", "3"])
            let both = try await connection.query(
                "select id::text from rejoinder.live join rejoinder.outcome using (id)"
            )
            #expect(both == [])
        }
    }

    @Test("the view shows an event in each state")
    func view() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            let ids = try await connection.enqueue((0..<7).map { .sample(text: "\($0)") }, ingress: 42)
            let lane = LaneOptions.sample(maxAttempts: 5)
            let claims = try await connection.claim(worker, lane, count: 5)
            let outcomes: [AttemptOutcome] = [
                .answered(Array("[ 1]".utf8)), .failed(code: "refused", error: "no"), .expired,
                .retry(code: "handler_failed", error: "oops"),
            ]
            try await connection.answer(worker, Array(zip(claims, outcomes)))
            try await connection.execute(.abandon([(ids[5], .hungUp)]))
            func rows(_ columns: String...) async throws -> [[String?]] {
                let list = columns.map { "(\($0))::text" }.joined(separator: ", ")
                return try await connection.query("select \(list) from rejoinder.event order by id")
            }
            let place = claims.map { "\($0.place)" }
            #expect(
                try await rows("state", "attempt", "worker", "code", "error", "answer") == [
                    ["answered", "1", "\(worker)", nil, nil, "[ 1]"],
                    ["failed", "1", "\(worker)", "refused", "no", nil],
                    ["expired", "1", "\(worker)", "expired", nil, nil],
                    ["queued", "1", nil, "handler_failed", "oops", nil],
                    ["running", "1", "\(worker)", nil, nil, nil],
                    ["cancelled", "0", nil, "hung_up", nil, nil],
                    ["queued", "0", nil, nil, nil, nil],
                ]
            )
            #expect(
                try await rows("claimed_at is not null", "finished_at is not null", "deadline > enqueued_at") == [
                    ["true", "true", "true"], ["true", "true", "true"], ["true", "true", "true"],
                    ["false", "false", "true"], ["true", "false", "true"], ["false", "true", "true"],
                    ["false", "false", "true"],
                ]
            )
            #expect(
                try await rows("max_attempts", "at_most_once", "place") == [
                    [nil, "false", place[0]], [nil, "false", place[1]], [nil, "false", place[2]],
                    ["5", "false", "\(claims[4].place + 3)"], ["5", "false", place[4]],
                    [nil, "false", "\(claims[4].place + 1)"], ["3", "false", "\(claims[4].place + 2)"],
                ]
            )
            #expect(
                try await rows("id", "ingress", "endpoint", "node") == ids.map { ["\($0)", "42", "/webhook", "node"] }
            )
        }
    }

    @Test("no transition can be made by way of the view")
    func readOnly() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue([.sample()], ingress: 1)
            for statement in ["update rejoinder.event set attempt = 2", "delete from rejoinder.event"] {
                await #expect(throws: PostgresError.self, "\(statement)") { try await connection.query(statement) }
            }
            #expect(try await connection.events("state", "attempt") == [["queued", "0"]])
        }
    }

    @Test("an event comes to one end only, whoever ends it first")
    func oneEnd() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            for _ in 0..<20 {
                try await connection.enqueue((0..<20).map { _ in .sample() }, ingress: 1)
                let claims = try await connection.claim(worker, count: 20)
                let other = try await database.connect()
                async let accepted = connection.answer(worker, claims.map { ($0, .answered([0x31])) })
                async let ended = other.abandon(claims.map { ($0.id, .hungUp) })
                let answered = Set(try await accepted.keys)
                let cancelled = try await ended
                #expect(answered.isDisjoint(with: cancelled))
                #expect(answered.union(cancelled) == Set(claims.map(\.id)))
                await other.close()
            }
            #expect(try await database.query("select count(*)::text from rejoinder.live") == [["0"]])
            #expect(try await database.query("select count(*)::text from rejoinder.outcome") == [["400"]])
        }
    }
}
