import CoreMetrics
import Logging
import PostgresClient
import RejoinderMetrics

extension WorkerQueue {
    /// One round trip: tells the outcomes, claims for the lanes that want to, and returns what they were granted.
    func carry(
        out trip: WorkerTable.Trip,
        _ registration: ProcessSession.Registration,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [Claim] {
        let worker = registration.process
        let outcomes = trip.outcomes
        let now = ContinuousClock.now

        var calls: [PostgresCall] = []
        if !outcomes.isEmpty {
            calls += PostgresCall.concluding(worker: worker, outcomes)
        }
        let releaseAt = trip.releases.isEmpty ? nil : calls.count
        if !trip.releases.isEmpty { calls.append(.release(worker: worker, trip.releases.map { ($0.id, $0.place) })) }
        // Where the results will be of each step's change of locks, and of its claim, which may be one and the same.
        var (attendAt, claimAt): ([Int?], [Int?]) = ([], [])
        var starts: [Int64] = []
        for (lane, step) in trip.steps {
            let (start, isProofDue) = self.state.withLock { state in
                guard step.claim > 0 else { return (state.table.marks[lane].place(at: now), false) }
                let start = state.table.marks[lane].nextStart(at: now)
                return (start, state.table.marks[lane].isProofDue(at: now, isQuiet: trip.isQuiet))
            }
            starts.append(start)
            attendAt.append(step.attend == nil ? nil : calls.count)
            claimAt.append(step.claim > 0 ? calls.count : nil)
            guard step.claim > 0 else {
                if let attention = step.attend { calls.append(.attend(lane: registration.lanes[lane], attention)) }
                if step.passesOn { calls.append(.passOn(lane: registration.lanes[lane], after: start)) }
                continue
            }
            calls.append(
                .claim(
                    worker: worker,
                    lane: self.lanes[lane],
                    count: step.claim,
                    after: start,
                    changing: step.attend.map { (registration.lanes[lane], $0) },
                    waiting: step.isBackstop ? LaneMachine.backstop : .zero,
                    proving: isProofDue
                )
            )
        }

        guard !calls.isEmpty else { return [] }
        let results = try connection.pipeline(calls)
        if !outcomes.isEmpty { try self.check(results[0], of: outcomes, worker, on: connection) }
        if let releaseAt, case .failure(let error) = results[releaseAt] { self.releaseFailed(error) }
        var claims: [Claim] = []
        for (((lane, _), index), start) in zip(zip(trip.steps, claimAt), starts) {
            guard let index else { continue }
            switch results[index] {
            case .success(let rows):
                // Also when it finds nothing.
                self.connector.worked(.claiming)
                claims += self.take(rows, lane: lane, from: start, at: now)
            case .failure(let error):
                // What the other lanes were granted must reach their handlers all the same.
                self.claimFailed(error, lane: lane)
            }
        }
        // Nobody knows which locks the lane holds now: a new session holds none.
        for case let index? in attendAt {
            guard case .failure(let error) = results[index], !error.isFaultOfSchema else { continue }
            self.logger.warning("a lane's locks are unknown, connecting again", metadata: ["error": "\(error)"])
            connection.close()
            break
        }
        return claims
    }

    /// What was not given back is found by comparing what both sides hold.
    private func releaseFailed(_ error: PostgresError) {
        self.logger.error("events were not given back", metadata: ["error": "\(error)"])
        if error.isTransient { self.state.withLock { $0.shouldReconcile = true } }
    }

    private func claimFailed(_ error: PostgresError, lane: Int) {
        self.state.withLock { $0.table.claimed([], lane: lane) }
        if error.isFaultOfSchema { return self.connector.refused(.claiming, error) }
        self.logger.error("a claim failed", metadata: ["lane": "\(lane)", "error": "\(error)"])
    }

    /// A limit held back what the lane might run: it looks again when the limit will let something through.
    private func heldBack(lane: Int, for duration: Duration) {
        let instant = ContinuousClock.now + duration
        guard self.state.withLock({ $0.table.heldBack(lane: lane, until: instant) }) else { return }
        self.looks.insert(lane, at: instant)
    }

    private func take(_ rows: PostgresRows, lane: Int, from start: Int64, at now: ContinuousClock.Instant) -> [Claim] {
        if rows.count > 0, let milliseconds = rows.optionalInteger(0, 8, as: Int32.self) {
            self.heldBack(lane: lane, for: .milliseconds(milliseconds))
        }
        // There may be a row without an id.
        let claims = (0..<rows.count).filter { !rows.isNull($0, 0) }.map { row in
            Claim(
                id: EventID(rows.uuid(row, 0)),
                place: rows.integer(row, 1),
                attempt: Int(rows.integer(row, 2, as: Int16.self)),
                deadline: now + .milliseconds(rows.integer(row, 3, as: Int32.self)),
                endpoint: rows.string(row, 5),
                node: rows.string(row, 6),
                payload: rows.bytes(row, 7),
                trace: rows.optionalString(row, 9),
                waited: rows.optionalInteger(row, 10, as: Int32.self).map { .microseconds($0) },
                lane: lane
            )
        }
        if !claims.isEmpty { QueueMetrics.claimed.record(claims.count) }
        if let tracer = self.tracer {
            for case let trace? in claims.lazy.map(\.trace) { tracer.record("claim", of: trace, since: now) }
        }
        self.state.withLock { state in
            state.table.claimed(claims, lane: lane)
            let end = ContinuousClock.now
            state.table.marks[lane].took(end - now, at: end)
            if let proof = LowWaterMark.Proof(rows) { state.table.marks[lane].note(proof, from: start, at: end) }
        }
        return claims
    }
}

extension LowWaterMark.Proof {
    /// What a claim returned last; nil where it was not to prove anything.
    init?(_ rows: PostgresRows) {
        let last = rows.count - 1
        guard last >= 0, let emptiedBelow = rows.optionalInteger(last, 11, as: Int64.self) else { return nil }
        self.init(emptiedBelow: emptiedBelow, endedBelow: rows.integer(last, 12), transaction: rows.integer(last, 13))
    }
}
