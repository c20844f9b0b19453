import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Outcomes are accepted from whoever holds the claim", .timeLimit(.minutes(10)))
struct AnswerTests {
    private let reply = Array(#"{"status":true,  "response":["é \u0000"]}"#.utf8)

    /// A worker that has claimed some events of the ingress 1.
    private func withClaims(
        _ count: Int,
        lane: LaneOptions = .sample(),
        _ body: (PostgresConnection, _ worker: Int32, [Claim]) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [lane]).process
            try await connection.enqueue((0..<count).map { _ in .sample() }, ingress: 1)
            try await body(connection, worker, try await connection.claim(worker, lane, count: count))
        }
    }

    @Test("a batch of all kinds of outcomes gets each its state, and says so")
    func kinds() async throws {
        try await self.withClaims(4) { connection, worker, claims in
            let outcomes: [AttemptOutcome] = [
                .answered(self.reply), .failed(code: "refused", error: "no such product"),
                .retry(code: "handler_failed", error: "oops"), .expired,
            ]
            let accepted = try await connection.answer(worker, Array(zip(claims, outcomes)))
            #expect(claims.map { accepted[$0.id] } == ["answered", "failed", "queued", "expired"])
            let rows = try await connection.query(
                "select state::text, code, error, answer::text, (finished_at is null)::text from rejoinder.event order by id"
            )
            #expect(
                rows == [
                    ["answered", nil, nil, String(decoding: self.reply, as: UTF8.self), "false"],
                    ["failed", "refused", "no such product", nil, "false"],
                    ["queued", "handler_failed", "oops", nil, "true"],
                    ["expired", "expired", nil, nil, "false"],
                ]
            )
        }
    }

    @Test("an answer with an old place, of another worker, twice, or to an ended event is refused, the others are not")
    func fencing() async throws {
        try await self.withClaims(5) { connection, worker, claims in
            let answer = AttemptOutcome.answered(self.reply)
            let old = Claim.sample(id: claims[0].id, place: claims[0].place - 1)
            #expect(try await connection.answer(worker, [(old, answer)]).isEmpty)
            #expect(try await connection.answer(worker + 1, claims.map { ($0, answer) }).isEmpty)
            try await connection.execute(.abandon([(claims[1].id, .hungUp)]))

            let foreign = Claim.sample(place: 1)
            let accepted = try await connection.answer(worker, [(foreign, answer)] + claims.map { ($0, answer) })
            #expect(Set(accepted.keys) == Set([0, 2, 3, 4].map { claims[$0].id }))
            #expect(try await connection.answer(worker, claims.map { ($0, .failed(code: "late", error: "")) }).isEmpty)
            let states = try await connection.query("select state::text from rejoinder.event order by id")
            #expect(states.flatMap(\.self) == ["answered", "cancelled", "answered", "answered", "answered"])
        }
    }

    @Test("a claim that was given up and granted to another is no longer answered by the first")
    func takenOver() async throws {
        try await self.withClaims(1) { connection, worker, claims in
            #expect(try await connection.release(worker, claims) == 1)
            let second = try #require(try await connection.claim(worker + 1).first)
            #expect(try await connection.answer(worker, [(claims[0], .answered(self.reply))]).isEmpty)
            #expect(try await connection.release(worker, claims) == 0)
            #expect(
                try await connection.answer(worker + 1, [(second, .answered(self.reply))]) == [second.id: "answered"]
            )
        }
    }

    @Test("retries keep the count of attempts and go to the end of the queue, and the last one fails")
    func retries() async throws {
        try await self.withClaims(1) { connection, worker, claims in
            var claim = claims[0]
            let other = try #require(try await connection.enqueue([.sample()], ingress: 1).first)
            for attempt in 1...2 {
                #expect(claim.attempt == attempt)
                let retry = AttemptOutcome.retry(code: "handler_failed", error: "try \(attempt)")
                #expect(try await connection.answer(worker, [(claim, retry)]) == [claim.id: "queued"])
                let next = try await connection.claim(worker)
                #expect(next.map(\.id) == (attempt == 1 ? [other, claim.id] : [claim.id]))
                #expect(try #require(next.last).place > claim.place)
                claim = try #require(next.last)
            }
            #expect(claim.attempt == 3)
            let last = AttemptOutcome.retry(code: "handler_failed", error: "try 3")
            #expect(try await connection.answer(worker, [(claim, last)]) == [claim.id: "failed"])
            let row = try await connection.query(
                "select state::text, attempt::text, code, error from rejoinder.event where id = '\(claim.id)'"
            )
            #expect(row == [["failed", "3", "handler_failed", "try 3"]])
        }
    }

    @Test("what may run once fails when its attempt does, however many it was claimed with")
    func once() async throws {
        try await self.withClaims(1, lane: .sample(maxAttempts: 3, atMostOnce: true)) { connection, worker, claims in
            let retry = AttemptOutcome.retry(code: "handler_failed", error: "oops")
            let accepted = try await connection.answer(worker, [(claims[0], retry)])
            #expect(accepted == [claims[0].id: "failed"])
        }
    }

    @Test("without time left a retry fails at once")
    func retryTooLate() async throws {
        try await self.withClaims(1) { connection, worker, claims in
            try await connection.query("update rejoinder.live set deadline = clock_timestamp()")
            let retry = AttemptOutcome.retry(code: "handler_failed", error: "late")
            #expect(try await connection.answer(worker, [(claims[0], retry)]) == [claims[0].id: "failed"])
        }
    }

    @Test("a release refunds the attempt and gives a new place; what one does not hold is not released")
    func release() async throws {
        try await self.withClaims(2, lane: .sample(maxAttempts: 1)) { connection, worker, claims in
            #expect(try await connection.release(worker + 1, claims) == 0)
            #expect(try await connection.release(worker, claims + [.sample(place: 1)]) == 2)
            #expect(try await connection.release(worker, claims) == 0)
            let rows = try await connection.events("state", "attempt", "worker", "(claimed_at is null)")
            #expect(rows == Array(repeating: ["queued", "0", nil, "true"], count: 2))
            let again = try await connection.claim(worker, .sample(maxAttempts: 1))
            #expect(again.map(\.attempt) == [1, 1])
            #expect(Set(again.map(\.place)).isDisjoint(with: claims.map(\.place)))
        }
    }

    @Test("results are there for what has ended, and held for what runs")
    func resultsAndHeld() async throws {
        try await self.withClaims(3) { connection, worker, claims in
            try await connection.answer(
                worker,
                [(claims[0], .answered(self.reply)), (claims[1], .failed(code: "x", error: "y"))]
            )
            let results = try await connection.execute(.results(claims.map(\.id) + [EventID()]))
            let read = (0..<results.count).map { row in
                "\(EventID(results.uuid(row, 0))) \(results.string(row, 1)) \(results.integer(row, 2, as: Int16.self))"
            }
            #expect(Set(read) == ["\(claims[0].id) answered 1", "\(claims[1].id) failed 1"])
            let answers = (0..<results.count).filter { !results.isNull($0, 4) }.map { results.bytes($0, 4) }
            #expect(answers == [self.reply])

            let held = try await connection.execute(.held(worker: worker))
            #expect(held.count == 1)
            #expect(EventID(held.uuid(0, 0)) == claims[2].id)
            #expect(held.integer(0, 1, as: Int64.self) == claims[2].place)
        }
    }

    @Test("an answer that is no JSON fails with the class of data errors, and leaves the batch as it was")
    func invalidAnswer() async throws {
        try await self.withClaims(2) { connection, worker, claims in
            let error = try await #require(throws: PostgresError.self) {
                try await connection.answer(
                    worker,
                    [(claims[0], .answered(self.reply)), (claims[1], .answered([0x7B]))]
                )
            }
            #expect(error.sqlState == "22P02")
            #expect(try await connection.events("state").flatMap(\.self) == ["running", "running"])
        }
    }
}
