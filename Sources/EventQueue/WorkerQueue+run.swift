import CoreMetrics
import Logging
import PostgresClient

extension WorkerQueue {
    /// Keeps the queue going until it is drained, or the task cancelled.
    ///
    /// - Parameters:
    ///   - onEvent: called on the connection's thread; must not block it. The next round trip waits for it: outcomes
    ///     that come in until it returns go along.
    ///   - onEnd: called when nothing is claimed or told any more, while the process is still registered.
    package func run(
        _ onEvent: @escaping @Sendable (Event) async -> Void,
        onEnd: () async -> Void = {}
    ) async {
        // Lasts until `onEnd` has returned, also where this task is cancelled: without a session its events go to others.
        let session = Task(name: "session") { await self.session.run() }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.poll() }
            group.addTask {
                await self.looks.run { lanes in
                    self.state.withLock { state in
                        for lane in lanes { state.table.lookAgain(lane: lane, at: .now) }
                    }
                    self.signal.raise()
                }
            }
            group.addTask { await self.tellPersistently() }
            await self.exchangePersistently(onEvent)
            group.cancelAll()
        }
        await onEnd()
        session.cancel()
        await session.value
        // Not before the session has ended, which might register again.
        await self.session.deregister()
        await self.pool.closeIdle()
    }

    /// The backstop for wake-ups that got lost: a look for events once a second.
    private func poll() async {
        while true {
            try? await Task.sleep(for: self.connector.lacksSessions ? ProcessSession.pollInterval : .seconds(1))
            if Task.isCancelled { return }
            self.state.withLock { $0.table.polled() }
            self.showState()
            self.signal.raise()
        }
    }

    private var isDone: Bool {
        self.state.withLock { $0.isStopping && $0.table.isIdle && !$0.isTravelling && !$0.isAttending }
            || Task.isCancelled
    }

    /// Returns when the queue is drained, or the task cancelled; also while the database is away.
    private func exchangePersistently(_ onEvent: @escaping @Sendable (Event) async -> Void) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                await PostgresListener(self.connector).run(
                    onEvent: { event in
                        if case .notification(let notification) = event { self.heard(notification) }
                        self.signal.raise()
                    },
                    body: { await self.exchange(on: $0, onEvent) }
                )
            }
            for await _ in self.stopping {}
            while !self.isDone {
                // Nobody waits for what is late, and the database, when it is back, ends it by itself.
                if !self.session.isConnected { self.state.withLock { $0.table.forget(overdueAt: .now) } }
                try? await Task.sleep(for: .milliseconds(20))
            }
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
        case .grant(let grant): self.granted(grant)
        case .cancel(let id): self.state.withLock { $0.cancelled.append(id) }
        case .drain: self.drainAsTold()
        case .done, .refuse, .admit, nil: return
        }
    }

    /// Of a lane that is not there any more, the claim is found by `reconcile`, or by `rejoinder.bury`.
    private func granted(_ grant: QueueNotification.Grant) {
        guard let lane = self.session.registration?.lanes.firstIndex(of: grant.lane) else { return }
        let claim = Claim(
            id: grant.id,
            place: grant.place,
            attempt: 1,
            deadline: .now + grant.timeLeft,
            endpoint: grant.endpoint,
            node: grant.node,
            payload: grant.payload,
            trace: grant.trace,
            waited: grant.trace.map { _ in .zero },
            lane: lane
        )
        self.state.withLock { $0.table.granted(claim) }
    }

    /// Trip after trip until the connection fails or all is done.
    ///
    /// Runs on the connection's own thread, so that nothing hops between a signal and the statements that follow it.
    private func exchange(
        on connection: isolated PostgresConnection,
        _ onEvent: @Sendable (Event) async -> Void
    ) async {
        guard let registration = await self.registration() else { return }
        self.state.withLock { state in
            state.table.connectionLost()
            state.table.callable(!self.connector.lacksSessions)
            state.shouldReconcile = true
            state.isAttending = true
        }
        defer { self.state.withLock { $0.isAttending = false } }
        // Once more when nothing can come any more from a server process that had not noticed the end of its connection.
        let again = Task(name: "reconcile again") {
            try? await Task.sleep(for: .seconds(5))
            if Task.isCancelled { return }
            self.state.withLock { $0.shouldReconcile = true }
            self.signal.raise()
        }
        defer { again.cancel() }
        var isListening = false
        // Draining, its lanes hold no locks any more; what they were handed before is looked for once.
        var looksBack = false
        // A new registration has other lanes, and may listen elsewhere.
        while connection.isOpen, !self.isDone, self.session.registration == registration {
            let granted = self.state.withLock { $0.table.takeGranted() }
            for _ in granted { QueueMetrics.claimed.record(1) }
            if !granted.isEmpty { await onEvent(.claimed(granted, connection.thread)) }
            let (trip, isWanted, isDeaf) = self.state.withLock { state in
                let trip = state.table.nextTrip()
                if state.isStopping, trip.isEmpty, state.table.isIdle {
                    state.shouldReconcile = state.shouldReconcile || !looksBack
                    looksBack = true
                    state.isAttending = state.shouldReconcile
                }
                state.isTravelling = !trip.isEmpty || state.shouldReconcile
                return (trip, state.isTravelling, state.table.isDeaf)
            }
            if trip.leavesOutcomes { self.toTell.raise() }
            for id in self.takeCancelled() { await onEvent(.cancelled(id)) }
            guard isWanted else {
                if !self.isDone { await self.signal.wait() }
                continue
            }
            do throws(PostgresError) {
                if isListening == isDeaf {
                    isListening = !isDeaf
                    try connection.execute(isListening ? registration.listen : .unlisten)
                }
                try self.reconcile(worker: registration.process, but: trip, on: connection)
                let claims = try self.carry(out: trip, registration, on: connection)
                self.state.withLock { $0.isTravelling = false }
                if !claims.isEmpty { await onEvent(.claimed(claims, connection.thread)) }
            } catch {
                self.state.withLock { state in
                    state.table.returned(trip)
                    state.isTravelling = false
                }
                if !self.connector.failed(error, at: trip.outcomes.isEmpty ? .claiming : .answering) {
                    self.logger.warning("a round trip failed, trying again", metadata: ["error": "\(error)"])
                }
                return
            }
        }
    }

    /// Gives back what the database holds for this worker and the worker knows nothing of.
    ///
    /// Those are claims that were granted on a connection which broke before it could say so. No handler has seen them; what
    /// one has, and may be started once only, fails. The trip is about to tell the outcomes of what it carries, which the
    /// table has let go of.
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
        // What was granted before that has been notified when the next statement has ended.
        try connection.execute(.roundTrip)
        let held = (0..<rows.count).map { (id: EventID(rows.uuid($0, 0)), place: rows.integer($0, 1, as: Int64.self)) }
        let told = Set(trip.outcomes.lazy.map(\.claim.place))
        let unknown = self.state.withLock { state in
            state.table.unstarted(
                held.filter { !told.contains($0.place) && !state.table.knows($0.id, place: $0.place) }
            )
        }
        guard !unknown.isEmpty else { return }
        self.logger.info("gave back claims that had got lost", metadata: ["events": "\(unknown.count)"])
        self.state.withLock { $0.table.gaveBack(places: unknown.map(\.place)) }
        try connection.execute(.release(worker: worker, unknown))
        // They may be for a lane here, which the database won't wake on its own worker's behalf.
        self.state.withLock { $0.table.woken() }
    }

    private func takeCancelled() -> [EventID] {
        self.state.withLock { state in
            defer { state.cancelled = [] }
            return state.cancelled
        }
    }
}
