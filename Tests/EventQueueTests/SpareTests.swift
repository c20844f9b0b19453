import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Few idle lanes listen", .timeLimit(.minutes(10)))
struct SpareTests {
    /// Workers with a lane each, all of them idle.
    private func idleWorkers(
        _ lanes: [LaneOptions],
        on database: TestDatabase
    ) async throws -> [(connection: PostgresConnection, process: Int32, lane: Int32)] {
        var workers: [(connection: PostgresConnection, process: Int32, lane: Int32)] = []
        for lane in lanes {
            let connection = try await database.connect()
            let registered = try await connection.register(.worker, [lane])
            let id = try #require(registered.lanes.first)
            try await connection.execute(.attend(lane: id, .idle))
            workers.append((connection, registered.process, id))
        }
        return workers
    }

    @Test(
        "a worker is spare while two others of 64 slots together are idle before it for the same nodes, and it has nothing to do",
        arguments: [(slots: 100, enough: 2), (slots: 32, enough: 2), (slots: 16, enough: 4)]
    )
    func spare(slots: Int, enough: Int) async throws {
        try await TestCluster.withDatabase { database in
            let same = try await self.idleWorkers(
                Array(repeating: .sample(slots: slots), count: enough + 2),
                on: database
            )
            let other = try await self.idleWorkers([.sample(["other"]), .sample(nil)], on: database)
            for (index, worker) in same.enumerated() {
                let spare = try await worker.connection.heartbeat(worker.process).spare
                #expect(spare == (index >= enough), "worker \(index)")
            }
            for worker in other {
                let spare = try await worker.connection.heartbeat(worker.process).spare
                #expect(!spare)
            }
            let (next, last) = (same[enough], same[enough + 1])
            let busy = try await last.connection.heartbeat(last.process, busy: 1).spare
            #expect(!busy)

            try await same[1].connection.execute(.attend(lane: same[1].lane, .eager))
            let isNextSpare = try await next.connection.heartbeat(next.process).spare
            let isLastSpare = try await last.connection.heartbeat(last.process).spare
            #expect(!isNextSpare && isLastSpare)
        }
    }

    @Test("with many idle workers only some listen, and events find a worker all the same")
    func crowd() async throws {
        try await Rig.run { rig in
            var workers: [RunningWorker] = []
            for _ in 0..<5 {
                workers.append(RunningWorker(rig.database, [.sample(slots: 32)]) { .answered($0.payload) })
            }
            try await eventually("those who need not listen have stopped") {
                let resting = try await rig.database.query(
                    """
                    select count(*)::text
                      from pg_locks
                     where locktype = 'advisory' and granted and classid::bigint = rejoinder.lock_class('idle')
                       and database = (select oid from pg_database where datname = current_database())
                    """
                )
                return resting == [["2"]]
            }
            for outcome in await rig.outcomes(of: (0..<50).map { _ in NewEvent.sample() }) {
                guard case .answered = outcome else {
                    Issue.record("\(outcome)")
                    continue
                }
            }
            for worker in workers { await worker.stop() }
        }
    }
}
