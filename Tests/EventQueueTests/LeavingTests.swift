import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("A worker leaves in order, or is missed", .timeLimit(.minutes(10)))
struct LeavingTests {
    @Test("draining, it claims nothing more, finishes what it holds, and leaves the rest to others")
    func drain() async throws {
        try await Rig.run { rig in
            let gate = Gate()
            let count = Counter()
            let events = (0..<30).map { NewEvent.sample(text: "\($0)") }
            let first = RunningWorker(rig.database, [.sample(slots: 10)]) { claim in
                count.add()
                await gate.passed()
                return .answered(claim.payload)
            }
            let outcomes = Task { await rig.outcomes(of: events) }
            try await eventually("it is full") { count.value == 10 }
            let stopped = Task { await first.stop() }
            gate.open()
            await stopped.value
            #expect(count.value == 10)
            let states = try await rig.database.query(
                "select state::text, count(*)::text from rejoinder.event group by state order by state"
            )
            #expect(states == [["answered", "10"], ["queued", "20"]])
            #expect(try await rig.database.query("select id::text from rejoinder.workers") == [])

            try await rig.withWorker { _ in
                #expect(await outcomes.value.map(\.text) == events.map(\.text))
            }
        }
    }

    @Test("what it is handed while it leaves goes to another, as if it had never been handed out")
    func handedMeanwhile() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.connect()
            let process = try await ingress.register(.ingress).process
            try await ingress.known("node")
            let worker = RunningWorker(database, [.sample(["node"])]) { .answered($0.payload) }
            try await eventually("it is idle, and handed an event") {
                try await ingress.query("begin")
                do {
                    try await ingress.enqueue([.sample()], ingress: process)
                    return true
                } catch {
                    // Handed to nobody, it commits for itself, which it can't here.
                    try await ingress.query("rollback")
                    return false
                }
            }
            let handed = try await ingress.query("select (worker is not null)::text, attempt::text from rejoinder.live")
            #expect(handed == [["true", "1"]])
            let stopped = Task { await worker.stop() }
            try await eventually("it waits for what it may be handed") {
                try await database.query(
                    """
                    select from pg_locks as l
                      join pg_database as d on d.oid = l.database and d.datname = current_database()
                     where l.classid = rejoinder.lock_class('eager') and not l.granted
                    """
                ).count == 1
            }
            try await ingress.query("commit")
            await stopped.value
            let rows = try await ingress.events("state", "attempt")
            #expect(rows == [["queued", "0"]])
            #expect(worker.recorder.warningsOfServer == [])
        }
    }

    @Test("one that vanishes in the middle is replaced by another, which runs its events again")
    func vanished() async throws {
        try await Rig.run { rig in
            let held = Counter()
            let first = RunningWorker(rig.database) { _ in
                held.add()
                return await withCheckedContinuation { $0.resume(returning: nil) }
            }
            let events = (0..<20).map { NewEvent.sample(text: "\($0)") }
            let outcomes = Task { await rig.outcomes(of: events) }
            try await eventually("all run") { held.value == 20 }
            // It has lost sight of them, as if it had been killed and started again.
            await first.abort()
            try await rig.withWorker { _ in
                #expect(await outcomes.value == events.map { .answered($0.payload, attempt: 2) })
            }
        }
    }
}
