import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Wake one who sleeps, never one who is awake", .timeLimit(.minutes(10)))
struct WakeTests {
    @Test("an idle lane is notified, one only, though several would do")
    func one() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let first = try await Sleeper(database, .sample(["a"]), .idle)
            let second = try await Sleeper(database, .sample(["a"]), .idle)
            #expect(try await waker.wake(["a", "a"]) == 1)
            #expect(try await first.told.next() == "wake \(first.lane)")
            // While the first does not sleep, the second is next.
            try await first.attend(.full)
            #expect(try await waker.wake(["a"]) == 1)
            #expect(try await second.told.next() == "wake \(second.lane)")
        }
    }

    @Test("nobody is notified while an eager lane covers the node")
    func eager() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let idle = try await Sleeper(database, .sample(["a"]), .idle)
            let eager = try await Sleeper(database, .sample(["a"]), .eager)
            #expect(try await waker.wake(["a"]) == 0)
            try await eager.attend(.full)
            #expect(try await waker.wake(["a"]) == 1)
            #expect(try await idle.told.next() == "wake \(idle.lane)")
        }
    }

    @Test("an eager lane covers its own nodes only")
    func partlyCovered() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let eager = try await Sleeper(database, .sample(["a"]), .eager)
            let other = try await Sleeper(database, .sample(["b"]), .idle)
            let unconcerned = try await Sleeper(database, .sample(["c"]), .idle)
            #expect(try await waker.wake(["a", "b"]) == 1)
            #expect(try await other.told.next() == "wake \(other.lane)")
            #expect(try await waker.wake(["c"]) == 1)
            #expect(try await unconcerned.told.next() == "wake \(unconcerned.lane)")
            #expect(try await waker.wake(["nobody's"]) == 0)
            #expect(try await waker.wake([]) == 0)
            #expect(try await eager.locks() == ["eager"])
        }
    }

    @Test("one lane is woken for all the nodes that it serves, others for the rest")
    func several() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let both = try await Sleeper(database, .sample(["a", "b"]), .idle)
            let rest = try await Sleeper(database, .sample(["b", "c"]), .idle)
            #expect(try await waker.wake(["a", "b", "c"]) == 2)
            #expect(try await both.told.next() == "wake \(both.lane)")
            #expect(try await rest.told.next() == "wake \(rest.lane)")
        }
    }

    @Test("a catch-all serves everything but what it excludes")
    func catchAll() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let catchAll = try await Sleeper(database, .sample(nil, excluding: ["mine"]), .idle)
            #expect(try await waker.wake(["mine"]) == 0)
            #expect(try await waker.wake(["mine", "any"]) == 1)
            #expect(try await catchAll.told.next() == "wake \(catchAll.lane)")
            try await catchAll.attend(.eager)
            let other = try await Sleeper(database, .sample(["any", "mine"]), .idle)
            #expect(try await waker.wake(["any"]) == 0)
            #expect(try await waker.wake(["mine"]) == 1)
            #expect(try await other.told.next() == "wake \(other.lane)")
        }
    }

    @Test("a lane that is full, or whose worker is gone, is not woken")
    func absent() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let full = try await Sleeper(database, .sample(["a"]), .full)
            let gone = try await Sleeper(database, .sample(["a"]), .idle)
            await gone.connection.close()
            try await eventually("the locks of the dead are free") { try await waker.wake(["a"]) == 0 }
            #expect(try await full.locks() == [])
        }
    }

    @Test("what is yet to be committed wakes all lanes: an eager one may claim for the last time before that")
    func beforeCommit() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let eager = try await Sleeper(database, .sample(["a"]), .eager)
            let idle = try await Sleeper(database, .sample(["a"]), .idle)
            try await idle.connection.enqueue([.sample(node: "a")], ingress: 1)
            let worker = try await Sleeper(database, .sample(["a"]), .full)
            let claims = try await worker.connection.claim(worker.process, .sample(["a"]))
            try await worker.connection.run(script: "begin", timeout: .seconds(5))
            #expect(try await worker.connection.release(worker.process, claims) == 1)
            // It finds nothing, and sleeps.
            #expect(try await eager.connection.claim(eager.process, .sample(["a"])).isEmpty)
            try await eager.attend(.idle)
            #expect(try await eager.connection.claim(eager.process, .sample(["a"])).isEmpty)
            try await worker.connection.run(script: "commit", timeout: .seconds(5))
            #expect(try await eager.told.next() == "wake \(eager.lane)")
            // It was told of the event when that was enqueued, unless the eager one covered it.
            #expect(try await idle.told.next() == "wake \(idle.lane)")
            #expect(try await eager.connection.claim(eager.process, .sample(["a"])).count == 1)
            #expect(try await waker.wake(["a"]) == 1)
        }
    }

    @Test("whoever has woken lanes, and leaves the transaction open, does not hold them up")
    func openTransaction() async throws {
        try await TestCluster.withDatabase { database in
            let waker = try await database.connect()
            let idle = try await Sleeper(database, .sample(["a"]), .idle)
            let full = try await Sleeper(database, .sample(["a"]), .full)
            try await waker.run(script: "begin", timeout: .seconds(5))
            #expect(try await waker.wake(["a"]) == 1)
            for lane in [idle, full] {
                try await lane.connection.run(script: "set lock_timeout = '1ms'", timeout: .seconds(5))
                for attention in [LaneMachine.Attention.eager, .idle, .full] { try await lane.attend(attention) }
                #expect(try await lane.locks() == [])
            }
        }
    }

    @Test("attention is held in one lock at most")
    func attend() async throws {
        try await TestCluster.withDatabase { database in
            let lane = try await Sleeper(database, .sample(["a"]), .full)
            for attention in [LaneMachine.Attention.eager, .idle, .eager, .full, .full, .idle, .full] {
                try await lane.attend(attention)
                #expect(try await lane.locks() == (attention == .full ? [] : [attention.rawValue]))
            }
        }
    }

    @Test("a lane that becomes full wakes another for what it leaves, and nobody when it leaves nothing")
    func passOn() async throws {
        try await TestCluster.withDatabase { database in
            let full = try await Sleeper(database, .sample(["a"]), .full)
            let other = try await Sleeper(database, .sample(nil), .idle)
            func passOn(after place: Int64 = 0) async throws -> Int32 {
                try await full.connection.execute(.passOn(lane: full.lane, after: place)).integer(0, 0)
            }
            #expect(try await passOn() == 0)
            try await other.connection.enqueue([.sample(node: "b")], ingress: 1)
            #expect(try await passOn() == 0)
            try await other.connection.enqueue([.sample(node: "a")], ingress: 1)
            #expect(try await passOn(after: 1000) == 0)
            #expect(try await passOn() == 1)
            #expect(try await other.told.next() == "wake \(other.lane)")
            _ = try await other.connection.claim(other.process, .sample(nil))
            #expect(try await passOn() == 0)
        }
    }

    @Test("what is released, retried or settled as queued again wakes somebody")
    func queuedAgain() async throws {
        try await TestCluster.withDatabase { database in
            let idle = try await Sleeper(database, .sample(["a"]), .full)
            let busy = try await Sleeper(database, .sample(["a"]), .full)
            try await busy.connection.enqueue([.sample(node: "a")], ingress: 1)
            try await idle.attend(.idle)
            let claims = try await busy.connection.claim(busy.process, .sample(["a"]))
            #expect(try await busy.connection.release(busy.process, claims) == 1)
            #expect(try await idle.told.next() == "wake \(idle.lane)")
            let again = try #require(try await busy.connection.claim(busy.process, .sample(["a"])).first)
            let retried = [
                (claim: again, outcome: AttemptOutcome.retry(code: "again", error: ""), handled: Handled?.none)
            ]
            for call in PostgresCall.concluding(worker: busy.process, retried) {
                try await busy.connection.execute(call)
            }
            #expect(try await idle.told.next() == "wake \(idle.lane)")
        }
    }

    @Test("nodes that no lane serves are found")
    func unserved() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            func unserved(_ nodes: [String]) async throws -> [String] {
                let call = PostgresCall(Statements.unserved, .of { $0.append(nodes) })
                return try await connection.execute(call).strings(0, 0)
            }
            #expect(try await unserved(["a", "b", "a"]).sorted() == ["a", "b"])
            let worker = try await connection.register(.worker, [.sample(["a"])])
            #expect(try await unserved(["a", "b"]) == ["b"])
            _ = try await connection.register(.worker, [.sample(nil, excluding: ["c"])])
            #expect(try await unserved(["a", "b", "c"]) == ["c"])
            try await connection.execute(PostgresCall(Statements.deregister, .of { $0.append(worker.process) }))
            #expect(try await unserved(["a", "b", "c"]) == ["c"])
            #expect(try await unserved([]) == [])
        }
    }
}
