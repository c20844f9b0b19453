import CoreMetrics
import Logging
import PostgresClient
import RejoinderMetrics
import Tracing

extension WorkerQueue {
    /// Tells outcomes where the disk is slow, on a connection of their own that is made when it is first needed.
    ///
    /// Until the task is cancelled; without that connection, the trips carry the outcomes, so that the database doesn't count
    /// as away where this is the one that is too many.
    func tellPersistently() async {
        var backoff = Backoff()
        await self.toTell.wait()
        while !Task.isCancelled {
            let began = ContinuousClock.now
            if let connection = try? await self.sessionless.connect() {
                await self.tell(on: connection)
                await connection.close()
                self.state.withLock { $0.table.tellerLost() }
                self.signal.raise()
                if ContinuousClock.now - began > .seconds(1) { backoff = Backoff() }
            }
            try? await Task.sleep(for: backoff.next())
        }
    }

    /// Batch after batch until the connection fails, or may have.
    private func tell(on connection: isolated PostgresConnection) async {
        while connection.isOpen, !Task.isCancelled, let registration = self.session.registration {
            guard let outcomes = self.state.withLock({ $0.table.nextToTell() }) else { return }
            guard !outcomes.isEmpty else {
                // What is left may go with a trip; and all may be done.
                self.signal.raise()
                await self.toTell.wait()
                continue
            }
            do throws(PostgresError) {
                let results = try connection.pipeline(PostgresCall.concluding(worker: registration.process, outcomes))
                try self.check(results[0], of: outcomes, registration.process, on: connection)
            } catch {
                if !self.connector.failed(error, at: .answering) {
                    self.logger.warning("telling outcomes failed, trying again", metadata: ["error": "\(error)"])
                }
                return
            }
        }
    }

    /// Which outcomes the database has not taken: their claims were no longer this worker's.
    func check(
        _ result: Result<PostgresRows, PostgresError>,
        of outcomes: [WorkerTable.Told],
        _ worker: Int32,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        QueueMetrics.answered.record(outcomes.count)
        switch result {
        case .success(let rows):
            self.connector.worked(.answering)
            self.state.withLock { $0.table.answered(waiting: rows.integer(0, 2)) }
            let taken = Set(rows.uuids(0, 0).map(EventID.init))
            self.trace(outcomes)
            guard taken.count < outcomes.count else { return }
            for (claim, _, _) in outcomes where !taken.contains(claim.id) {
                self.logger.info(
                    "a late outcome was refused, the event is no longer this worker's",
                    metadata: ["event.id": "\(claim.id)", "attempt": "\(claim.attempt)"]
                )
            }
        case .failure(let error):
            try self.answerApart(outcomes, after: error, worker, on: connection)
        }
    }

    private func trace(_ outcomes: [WorkerTable.Told]) {
        guard let tracer = self.tracer else { return }
        for (claim, _, handled) in outcomes {
            guard let trace = claim.trace, let handled else { continue }
            tracer.record("answer", of: trace, since: handled.at)
        }
    }

    /// The database refused a batch of outcomes: finds what it is that it refuses, and lets the rest through.
    ///
    /// One that it refuses is told again with a reason that any database can store, an answer as a failure.
    private func answerApart(
        _ outcomes: [WorkerTable.Told],
        after error: PostgresError,
        _ worker: Int32,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        let split = BatchSplit<WorkerTable.Told> { part throws(PostgresError) in
            try connection.pipeline(PostgresCall.concluding(worker: worker, part))[0].failure
        }
        guard let refused = try split.refused(of: outcomes, after: error) else {
            self.connector.refused(.answering, error)
            throw error
        }
        self.connector.worked(.answering)
        var failures: [WorkerTable.Told] = []
        for (told, error) in refused {
            self.logger.error(
                "the database refused an outcome",
                metadata: ["event.id": "\(told.claim.id)", "node": "\(told.claim.node)", "error": "\(error)"]
            )
            let reason = "the database refused it: \(error.message)".filter(\.isASCII)
            switch told.outcome {
            case .answered: failures.append((told.claim, .failed(code: "invalid_reply", error: reason), told.handled))
            case .failed(let code, let text) where !text.allSatisfy(\.isASCII):
                failures.append((told.claim, .failed(code: code, error: reason), told.handled))
            case .retry(let code, let text) where !text.allSatisfy(\.isASCII):
                failures.append((told.claim, .retry(code: code, error: reason), told.handled))
            case .failed, .retry, .expired: continue
            }
        }
        guard !failures.isEmpty, let error = try split.send(failures) else { return }
        try self.answerApart(failures, after: error, worker, on: connection)
    }
}
