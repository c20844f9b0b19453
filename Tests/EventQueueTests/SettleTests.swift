import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Ingresses are told what has become of their events", .timeLimit(.minutes(10)))
struct SettleTests {
    private struct Scene {
        let connection: PostgresConnection
        let worker: Int32
        let ingresses: [Int32]
        let told: [Mailbox<String>]
        private let listening: [PostgresConnection]

        init(_ database: TestDatabase) async throws {
            self.connection = try await database.connect()
            self.worker = try await self.connection.register(.worker, [.sample()]).process
            let first = try await database.connect()
            let second = try await database.connect()
            self.listening = [first, second]
            self.ingresses = [try await first.register(.ingress).process, try await second.register(.ingress).process]
            self.told = [
                try await first.notifications(of: self.ingresses[0]),
                try await second.notifications(of: self.ingresses[1]),
            ]
        }

        /// Enqueues one event for each outcome, which it comes to at once.
        func end(
            _ outcomes: [AttemptOutcome],
            of ingress: Int = 0
        ) async throws -> [(claim: Claim, outcome: AttemptOutcome)] {
            try await self.connection.enqueue(outcomes.map { _ in .sample() }, ingress: self.ingresses[ingress])
            let claims = try await self.connection.claim(self.worker, count: outcomes.count)
            let ended = zip(claims, outcomes).map { (claim: $0, outcome: $1) }
            #expect(try await self.connection.answer(self.worker, ended).count == outcomes.count)
            return ended
        }

        /// Tells the ingresses.
        func settle(_ ended: [(claim: Claim, outcome: AttemptOutcome)]) async throws {
            try await self.connection.settle(ended.map(\.claim.id))
        }

        /// All that an ingress has been told by now.
        func payloads(_ ingress: Int = 0) async throws -> [String] {
            try await self.connection.notify(self.ingresses[ingress], "end")
            var payloads: [String] = []
            while true {
                let payload = try await self.told[ingress].next()
                if payload == "end" { return payloads }
                payloads.append(payload)
            }
        }
    }

    private func withScene(_ body: (Scene) async throws -> Void) async throws {
        try await TestCluster.withDatabase { database in try await body(try await Scene(database)) }
    }

    /// A JSON text of so many bytes.
    private func answer(bytes: Int) -> AttemptOutcome {
        .answered(Array("\"\(String(repeating: "x", count: bytes - 2))\"".utf8))
    }

    private func settled(_ payloads: [String]) -> [QueueNotification.Settled] {
        payloads.flatMap { payload -> [QueueNotification.Settled] in
            if case .done(let settled)? = QueueNotification(payload: payload) { settled } else { [] }
        }
    }

    @Test(
        "a short answer comes with the notification, byte for byte",
        arguments: [
            #"{"status":true,  "response":["é \u0000"]}"#, " {} ", "\t{\n\"a\" :\r\n1}\n", #""\u001e \\ 😀""#, "null",
        ]
    )
    func short(answer: String) async throws {
        try await self.withScene { scene in
            let ended = try await scene.end([.answered(Array(answer.utf8))])
            try await scene.settle(ended)
            let payload = try await scene.told[0].next()
            let waited = try await scene.connection.waited(ended[0].claim.id)
            #expect(payload == done(ended[0].claim.id, 1, waited: waited, answer))
            let expected = QueueNotification.Answer(
                attempt: 1,
                waited: .milliseconds(waited),
                bytes: Array(answer.utf8)
            )
            #expect(self.settled([payload]) == [.init(id: ended[0].claim.id, answer: expected)])
            let results = try await scene.connection.execute(.results([ended[0].claim.id]))
            #expect(results.integer(0, 5, as: Int32.self) == waited)
        }
    }

    @Test(
        "of a long answer only the id comes, and the answer can be asked for",
        arguments: [3700, 3701, 4000, 8000, 1 << 20]
    )
    func long(bytes: Int) async throws {
        try await self.withScene { scene in
            let ended = try await scene.end([self.answer(bytes: bytes)])
            try await scene.settle(ended)
            let payload = try await scene.told[0].next()
            #expect(payload.utf8.count < 8000)
            let settled = try #require(self.settled([payload]).first)
            #expect(settled.id == ended[0].claim.id)
            #expect(settled.answer?.bytes.count == (bytes <= 3700 ? bytes : nil))
            let results = try await scene.connection.execute(.results([settled.id]))
            #expect(results.bytes(0, 4).count == bytes)
        }
    }

    @Test("bytes are counted, not characters")
    func multibyte() async throws {
        try await self.withScene { scene in
            let texts = [1850, 1849].map { "\"\(String(repeating: "é", count: $0))\"" }
            let ended = try await scene.end(texts.map { .answered(Array($0.utf8)) })
            try await scene.settle(ended)
            let settled = self.settled(try await scene.payloads())
            #expect(settled.map { $0.answer?.bytes.count } == [nil, 3700])
        }
    }

    @Test("of what has ended without an answer the id comes")
    func withoutAnswer() async throws {
        try await self.withScene { scene in
            let ended = try await scene.end([.failed(code: "refused", error: "no"), .expired])
            try await scene.settle(ended)
            #expect(try await scene.payloads() == [done(ended[0].claim.id) + "\u{1E}\(ended[1].claim.id)"])
        }
    }

    @Test("nothing is told of what is queued again, was refused, nobody knows or nobody waits for")
    func untold() async throws {
        try await self.withScene { scene in
            let retried = try await scene.end([.retry(code: "again", error: "")])
            let refused = [
                (claim: Claim.sample(place: 1), outcome: self.answer(bytes: 10))
            ]
            try await scene.settle(retried + refused)
            try await scene.settle([])
            try await scene.connection.query("select rejoinder.settle('{}')::text")
            let unawaited = try await scene.end([self.answer(bytes: 10)])
            try await scene.connection.query("update rejoinder.outcome set ingress = null")
            try await scene.connection.query("select rejoinder.settle('{\(unawaited[0].claim.id)}')::text")
            #expect(try await scene.payloads() == [])
        }
    }

    @Test("one call tells each ingress of its own")
    func ingresses() async throws {
        try await self.withScene { scene in
            let first = try await scene.end((0..<3).map { self.answer(bytes: 10 + $0) })
            let second = try await scene.end((0..<2).map { self.answer(bytes: 20 + $0) }, of: 1)
            try await scene.settle([first[0], second[0], first[1], second[1], first[2]])
            let told = [try await scene.payloads(0), try await scene.payloads(1)]
            #expect(told.map(\.count) == [1, 1])
            #expect(self.settled(told[0]).map(\.id) == first.map(\.claim.id))
            #expect(self.settled(told[1]).map(\.id) == second.map(\.claim.id))
            #expect(self.settled(told[0]).map { $0.answer?.bytes.count } == [10, 11, 12])
        }
    }

    @Test(
        "a big batch comes in as few notifications as may be, each below the limit, with every event once",
        arguments: 0..<4 as Range<UInt64>
    )
    func batch(seed: UInt64) async throws {
        var random = SeededGenerator(seed)
        let sizes =
            switch seed {
            case 0: Array(repeating: 3700, count: 40)
            case 1: Array(repeating: 3701, count: 450)
            case 2: Array(repeating: 50, count: 450)
            default: (0..<300).map { _ in Int.random(in: 2...4200, using: &random) }
            }
        try await self.withScene { scene in
            let ended = try await scene.end(sizes.map { self.answer(bytes: $0) })
            try await scene.settle(ended)
            let payloads = try await scene.payloads()
            #expect(payloads.allSatisfy { $0.utf8.count < 8000 })
            let total = payloads.reduce(0) { $0 + $1.utf8.count }
            #expect(payloads.count <= total / 4000 + 1)
            let settled = self.settled(payloads)
            #expect(settled.count == ended.count)
            #expect(Set(settled.map(\.id)) == Set(ended.map(\.claim.id)))
            let answers = Dictionary(uniqueKeysWithValues: settled.map { ($0.id, $0.answer?.bytes) })
            for (claim, outcome) in ended {
                guard case .answered(let bytes) = outcome else { continue }
                #expect(answers[claim.id] == (bytes.count <= 3700 ? bytes : nil))
            }
        }
    }

    @Test("a batch that just fits is one notification", arguments: [100, 200, 7000])
    func oneNotification(bytes: Int) async throws {
        try await self.withScene { scene in
            let count = 7000 / (bytes + 41)
            let ended = try await scene.end((0..<max(count, 1)).map { _ in self.answer(bytes: bytes) })
            try await scene.settle(ended)
            #expect(try await scene.payloads().count == 1)
        }
    }

    @Test("the worker's one call stores the outcomes and tells the same, in a transaction that follows")
    func oneCall() async throws {
        try await self.withScene { scene in
            let outcomes: [AttemptOutcome] =
                (0..<300).map { self.answer(bytes: 2 + $0) } + [
                    self.answer(bytes: 3700), self.answer(bytes: 3701), .failed(code: "refused", error: "no"), .expired,
                    .retry(code: "again", error: "oops"),
                ]
            try await scene.connection.enqueue(outcomes.map { _ in .sample() }, ingress: scene.ingresses[0])
            let claims = try await scene.connection.claim(scene.worker, count: outcomes.count)
            let stranger = Claim.sample(place: 1)
            let foreign = (claim: stranger, outcome: self.answer(bytes: 9), handled: Handled?.none)
            let concluded = zip(claims, outcomes).map { (claim: $0, outcome: $1, handled: Handled?.none) }
            let rows = try await scene.connection.execute(.answer(worker: scene.worker, concluded + [foreign]))
            #expect(Set(rows.uuids(0, 0).map(EventID.init)) == Set(claims.map(\.id)))
            let states = Dictionary(grouping: rows.strings(0, 1), by: \.self).mapValues(\.count)
            #expect(states == ["answered": 302, "failed": 1, "expired": 1, "queued": 1])

            let inOneCall = self.settled(try await scene.payloads())
            try await scene.settle(concluded.map { ($0.claim, $0.outcome) })
            let apart = self.settled(try await scene.payloads())
            #expect(inOneCall.count == outcomes.count - 1)
            #expect(Set(inOneCall) == Set(apart))

            let none = try await scene.connection.execute(.answer(worker: scene.worker, concluded))
            #expect(none.uuids(0, 0).isEmpty)
            #expect(try await scene.payloads() == [])
        }
    }

    @Test("callers whose events come to an end together are told together")
    func together() async throws {
        let tells = Counter()
        let teller: IngressQueue.Teller = { tell in
            tells.add()
            tell()
        }
        try await Rig.run(teller: teller) { rig in
            let connection = try await rig.database.connect()
            let worker = try await connection.register(.worker, [.sample()]).process
            let events = (0..<20).map { NewEvent.sample(text: "\($0)") }
            async let outcomes = rig.outcomes(of: events)
            var claims: [Claim] = []
            try await eventually("all are claimed") {
                claims += try await connection.claim(worker, count: events.count)
                return claims.count == events.count
            }
            #expect(tells.value == 0)
            let ended = claims.map { claim in
                (claim: claim, outcome: AttemptOutcome.answered(claim.payload), handled: Handled?.none)
            }
            try await connection.execute(.answer(worker: worker, ended))
            #expect(await outcomes == events.map { .answered($0.payload, attempt: 1) })
            #expect(tells.value == 1)
        }
    }
}
