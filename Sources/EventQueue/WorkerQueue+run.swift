import Logging
import PostgresClient

extension WorkerQueue {
    /// Keeps the queue going until it is drained, or the task cancelled.
    ///
    /// - Parameter onEvent: called on the connection's queue; must not block.
    package func run(_ onEvent: @escaping @Sendable (Event) -> Void) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.session.run() }
            group.addTask { await self.poll() }
            await self.exchangePersistently(onEvent)
            group.cancelAll()
        }
        // Not before the session has ended, which might register again.
        await self.session.deregister()
        await self.pool.closeIdle()
    }

    /// The backstop for wake-ups that got lost: a look for events once a second.
    private func poll() async {
        while true {
            try? await Task.sleep(for: .seconds(1))
            if Task.isCancelled { return }
            self.state.withLock { $0.table.polled() }
            self.signal.raise()
        }
    }

    private var isDone: Bool {
        self.state.withLock { $0.isStopping && $0.table.isIdle && !$0.isTravelling } || Task.isCancelled
    }

    /// Returns when the queue is drained, or the task cancelled; also while the database is away.
    private func exchangePersistently(_ onEvent: @escaping @Sendable (Event) -> Void) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                await PostgresListener(self.connector).run(
                    prepare: { connection throws(PostgresError) in
                        guard let registration = await self.registration() else { return }
                        try await connection.run(script: "listen \(registration.channel)", timeout: .seconds(5))
                    },
                    onEvent: { event in
                        if case .notification(let notification) = event { self.heard(notification) }
                        self.signal.raise()
                    },
                    body: { await self.exchange(on: $0, onEvent) }
                )
            }
            for await _ in self.stopping {}
            while !self.isDone { try? await Task.sleep(for: .milliseconds(20)) }
            group.cancelAll()
        }
    }

    /// Waits for the first registration; nil when there is nothing left to do.
    private func registration() async -> ProcessSession.Registration? {
        while !self.isDone {
            if let registration = self.session.registration { return registration }
            await self.signal.wait()
        }
        return nil
    }

    private func heard(_ notification: PostgresNotification) {
        switch QueueNotification(payload: notification.payload) {
        case .wake(let lane):
            let index = self.session.registration?.lanes.firstIndex(of: lane)
            self.state.withLock { $0.table.woken(lane: index) }
        case .cancel(let id):
            self.state.withLock { $0.cancelled.append(id) }
        case .done, nil: return
        }
    }

    /// Trip after trip until the connection fails or all is done.
    ///
    /// Runs on the connection's own thread, so that nothing hops between a signal and the statements that follow it.
    private func exchange(
        on connection: isolated PostgresConnection,
        _ onEvent: @Sendable (Event) -> Void
    ) async {
        guard let registration = self.session.registration else { return }
        self.state.withLock { state in
            state.table.connectionLost()
            state.shouldReconcile = true
        }
        // Once more when nothing can come any more from a server process that had not noticed the end of its connection.
        let again = Task(name: "reconcile again") {
            try? await Task.sleep(for: .seconds(5))
            if Task.isCancelled { return }
            self.state.withLock { $0.shouldReconcile = true }
            self.signal.raise()
        }
        defer { again.cancel() }
        var isListening = true
        // A new registration has other lanes, and may listen elsewhere.
        while connection.isOpen, !self.isDone, self.session.registration == registration {
            let (trip, isDeaf): (WorkerTable.Trip?, Bool) = self.state.withLock { state in
                let trip = state.table.nextTrip()
                state.isTravelling = !trip.isEmpty || state.shouldReconcile
                return (state.isTravelling ? trip : nil, state.table.isDeaf)
            }
            for id in self.takeCancelled() { onEvent(.cancelled(id)) }
            guard let trip else {
                await self.signal.wait()
                continue
            }
            do throws(PostgresError) {
                if isListening == isDeaf {
                    isListening = !isDeaf
                    try connection.execute(isListening ? .listen(registration.channel) : .unlisten)
                }
                try self.reconcile(worker: registration.process, but: trip, on: connection)
                let claims = try self.carry(out: trip, registration, on: connection)
                self.state.withLock { $0.isTravelling = false }
                if !claims.isEmpty { onEvent(.claimed(claims)) }
            } catch {
                self.state.withLock { state in
                    state.table.returned(trip)
                    state.isTravelling = false
                }
                self.logger.warning("a round trip failed, trying again", metadata: ["error": "\(error)"])
                return
            }
            // Lets handlers that need no time come in with the next trip.
            await Task.yield()
        }
    }

    /// Gives back what the database holds for this worker and the worker knows nothing of: claims that were granted on a
    /// connection which broke before it could say so.
    ///
    /// No handler has seen them. The trip is about to tell the outcomes of what it carries, which the table has let go of.
    private func reconcile(
        worker: Int32,
        but trip: WorkerTable.Trip,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        let isWanted = self.state.withLock { state in
            defer { state.shouldReconcile = false }
            return state.shouldReconcile
        }
        guard isWanted else { return }
        let rows = try connection.execute(.held(worker: worker))
        let told = Set(trip.outcomes.lazy.map(\.claim.place))
        let unknown = self.state.withLock { state in
            (0..<rows.count).map { (id: EventID(rows.uuid($0, 0)), place: rows.integer($0, 1, as: Int64.self)) }
                .filter { !told.contains($0.place) && !state.table.knows($0.id, place: $0.place) }
        }
        guard !unknown.isEmpty else { return }
        self.logger.info("gave back claims that had got lost", metadata: ["events": "\(unknown.count)"])
        try connection.execute(.release(worker: worker, unknown))
    }

    private func carry(
        out trip: WorkerTable.Trip,
        _ registration: ProcessSession.Registration,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [Claim] {
        let worker = registration.process
        let released = trip.outcomes.filter { $0.outcome == .released }.map(\.claim)
        let outcomes = trip.outcomes.filter { $0.outcome != .released }
        let now = ContinuousClock.now

        var calls: [PostgresCall] = []
        if !outcomes.isEmpty {
            calls += PostgresCall.concluding(worker: worker, outcomes)
        }
        if !released.isEmpty { calls.append(.release(worker: worker, released.map { ($0.id, $0.place) })) }
        let highWaterAt = self.isSampleDue(for: trip, at: now) ? calls.count : nil
        if highWaterAt != nil { calls.append(PostgresCall(Statements.highWater)) }
        var claimAt: [Int?] = []
        for (lane, step) in trip.steps {
            let place = self.state.withLock { $0.table.marks[lane].place(at: now) }
            if let attention = step.attend, step.claim == 0 {
                calls.append(.attend(lane: registration.lanes[lane], attention))
            }
            if step.passesOn { calls.append(.passOn(lane: registration.lanes[lane], after: place)) }
            claimAt.append(step.claim > 0 ? calls.count : nil)
            guard step.claim > 0 else { continue }
            calls.append(
                .claim(
                    worker: worker,
                    lane: self.lanes[lane],
                    count: step.claim,
                    after: place,
                    changing: step.attend.map { (registration.lanes[lane], $0) }
                )
            )
        }

        guard !calls.isEmpty else { return [] }
        let results = try connection.pipeline(calls)
        if !outcomes.isEmpty { try self.check(results[0], of: outcomes, worker, on: connection) }
        let highWater: Int64? = if let highWaterAt { try results[highWaterAt].get().integer(0, 0) } else { nil }
        var claims: [Claim] = []
        for ((lane, step), index) in zip(trip.steps, claimAt) {
            guard let index else { continue }
            switch results[index] {
            case .success(let rows):
                claims += self.take(rows, lane: lane, of: step.claim, highWater: highWater, at: now)
            case .failure(let error):
                // What the other lanes were granted must reach their handlers all the same.
                self.logger.error("a claim failed", metadata: ["lane": "\(lane)", "error": "\(error)"])
                self.state.withLock { $0.table.claimed([], lane: lane) }
            }
        }
        return claims
    }

    private func isSampleDue(for trip: WorkerTable.Trip, at now: ContinuousClock.Instant) -> Bool {
        self.state.withLock { state in
            trip.steps.contains { lane, step in
                step.claim > 0 && state.table.marks[lane].isSampleDue(at: now, isQuiet: trip.isQuiet)
            }
        }
    }

    private func take(
        _ rows: PostgresRows,
        lane: Int,
        of asked: Int,
        highWater: Int64?,
        at now: ContinuousClock.Instant
    ) -> [Claim] {
        let claims = (0..<rows.count).map { row in
            Claim(
                id: EventID(rows.uuid(row, 0)),
                place: rows.integer(row, 1),
                attempt: Int(rows.integer(row, 2, as: Int16.self)),
                deadline: now + .milliseconds(rows.integer(row, 3, as: Int32.self)),
                endpoint: rows.string(row, 5),
                node: rows.string(row, 6),
                payload: rows.bytes(row, 7),
                lane: lane,
                ingress: rows.optionalInteger(row, 4)
            )
        }
        let emptiedBelow = claims.count < asked ? highWater : claims.lazy.map(\.place).max()
        self.state.withLock { state in
            state.table.claimed(claims, lane: lane)
            if let emptiedBelow { state.table.marks[lane].note(emptiedBelow: emptiedBelow, at: now) }
        }
        return claims
    }

    private func takeCancelled() -> [EventID] {
        self.state.withLock { state in
            defer { state.cancelled = [] }
            return state.cancelled
        }
    }

    /// Which outcomes the database has not taken: their claims were no longer this worker's.
    private func check(
        _ result: Result<PostgresRows, PostgresError>,
        of outcomes: [(claim: Claim, outcome: AttemptOutcome)],
        _ worker: Int32,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        switch result {
        case .success(let rows):
            let taken = Set(rows.uuids(0, 0).map(EventID.init))
            guard taken.count < outcomes.count else { return }
            for (claim, _) in outcomes where !taken.contains(claim.id) {
                self.logger.info(
                    "a late outcome was refused, the event is no longer this worker's",
                    metadata: ["event.id": "\(claim.id)", "attempt": "\(claim.attempt)"]
                )
            }
        case .failure(let error):
            try self.answerApart(outcomes, after: error, worker, on: connection)
        }
    }

    /// The database refused a batch of outcomes: finds whose fault it is, by halves, and lets the rest through.
    private func answerApart(
        _ outcomes: [(claim: Claim, outcome: AttemptOutcome)],
        after error: PostgresError,
        _ worker: Int32,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        // Only data (class 22) and constraints (class 23) are an outcome's own fault.
        guard let sqlState = error.sqlState, sqlState.hasPrefix("22") || sqlState.hasPrefix("23") else { throw error }
        var parts = [Array(outcomes[..<(outcomes.count / 2)]), Array(outcomes[(outcomes.count / 2)...])]
        if outcomes.count == 1, let claim = outcomes.first?.claim {
            self.logger.error(
                "the database refused an answer",
                metadata: ["event.id": "\(claim.id)", "node": "\(claim.node)", "error": "\(error)"]
            )
            guard case .answered? = outcomes.first?.outcome else { return }
            parts = [[(claim, .failed(code: "invalid_reply", error: "the database refused it: \(error.message)"))]]
        }
        for part in parts where !part.isEmpty {
            if case .failure(let error)? = try connection.pipeline(PostgresCall.concluding(worker: worker, part)).first
            {
                try self.answerApart(part, after: error, worker, on: connection)
            }
        }
    }
}
