import CoreMetrics
import Logging
import PostgresClient
import RejoinderMetrics
import ServiceLifecycle
import Synchronization
import Tracing

extension IngressQueue: Service {
    /// Keeps the queue going until graceful shutdown (by then every caller must have its reply) or cancellation.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.session.run() }
                group.addTask { await self.watchOver() }
                group.addTask { await self.watchNodes() }
                group.addTask { await self.poll() }
                group.addTask { await self.noteReplies() }
                group.addTask { await self.sampleVitals() }
                group.addTask {
                    await self.deadlines.run { self.finish($0, .expired, abandoningAs: .expired) }
                }
                await self.exchangePersistently()
                group.cancelAll()
            }
        }
        self.finish(self.state.withLock { Array($0.table.entries.keys) }, .unavailable, abandoningAs: .databaseAway)
        await self.tellReplies()
        await self.session.deregister()
        await self.pool.closeIdle()
    }

    private func exchangePersistently() async {
        await PostgresListener(self.connector).run(
            onEvent: { event in
                switch event {
                case .notification(let notification): self.heard(notification)
                case .connected, .disconnected: self.signal.raise()
                }
            },
            body: { await self.exchange(on: $0) }
        )
    }

    /// Waits for the first registration; nil when the task is cancelled.
    private func registration() async -> ProcessSession.Registration? {
        while !Task.isCancelled {
            if let registration = self.session.registration { return registration }
            await self.signal.wait()
        }
        return nil
    }

    /// Sends what waits, trip after trip, until the connection fails.
    ///
    /// Runs on the connection's own thread, so that nothing hops between a signal and the statements that follow it.
    private func exchange(on connection: isolated PostgresConnection) async {
        guard let registration = await self.registration() else { return }
        do throws(PostgresError) {
            if !self.connector.lacksSessions { try connection.execute(registration.listen) }
            // While it refuses events, one that is taken back shows when it takes them again: nobody need wait in vain.
            if self.connector.refuses(.enqueuing) {
                try connection.run(script: Statements.probe.sql, timeout: .seconds(5))
                try connection.execute(.enqueue([], ingress: registration.process))
                self.connector.worked(.enqueuing)
            }
        } catch {
            if !self.connector.failed(error, at: .enqueuing) {
                self.logger.warning("can't listen, trying again", metadata: ["error": "\(error)"])
            }
            return
        }
        self.state.withLock { $0.table.reconcile() }
        // A new registration listens elsewhere.
        while connection.isOpen, !Task.isCancelled, self.session.registration == registration {
            let trip = self.state.withLock { $0.table.nextTrip() }
            guard !trip.isEmpty else {
                await self.signal.wait()
                continue
            }
            do throws(PostgresError) {
                try self.carry(out: trip, registration.process, on: connection)
            } catch {
                self.state.withLock { $0.table.returned(trip) }
                if !self.connector.failed(error, at: .enqueuing) {
                    self.logger.warning("a round trip failed, trying again", metadata: ["error": "\(error)"])
                }
                return
            }
        }
    }

    private func heard(_ notification: PostgresNotification) {
        switch QueueNotification(payload: notification.payload) {
        case .done(let settled): self.heard(settled)
        case .refuse(let node): _ = self.state.withLock { $0.refused.insert(node) }
        case .admit(let node): _ = self.state.withLock { $0.refused.remove(node) }
        case .wake, .grant, .cancel, .drain, nil: return
        }
    }

    private func heard(_ settled: [QueueNotification.Settled]) {
        let now = ContinuousClock.now
        var endings: [(EventID, Ending)] = []
        var unknown: [EventID] = []
        for event in settled {
            if let answer = event.answer {
                let outcome = Outcome.answered(answer.bytes, attempt: answer.attempt)
                endings.append((event.id, Ending(outcome, waited: answer.waited, at: now)))
            } else {
                unknown.append(event.id)
            }
        }
        self.finish(endings)
        guard !unknown.isEmpty else { return }
        self.state.withLock { $0.table.finished(unknown) }
        self.signal.raise()
    }

    private func carry(
        out trip: WaiterTable<Waiter>.Trip,
        _ process: Int32,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        var calls: [PostgresCall] = []
        if !trip.enqueue.isEmpty {
            calls.append(.enqueue(trip.enqueue, ingress: process))
            QueueMetrics.enqueued.record(trip.enqueue.count)
        }
        if !trip.results.isEmpty { calls.append(.results(trip.results)) }
        if !trip.revive.isEmpty { calls.append(.revive(trip.revive, ingress: process)) }
        if !trip.abandon.isEmpty { calls.append(.abandon(trip.abandon)) }

        var results = try connection.pipeline(calls)[...]
        if !trip.enqueue.isEmpty {
            if case .failure(let error)? = results.popFirst() {
                try self.enqueueApart(trip.enqueue, after: error, process, on: connection)
            }
            if let tracer = self.tracer {
                for event in trip.enqueue {
                    if let trace = event.trace { tracer.record("enqueue", of: trace, since: event.received) }
                }
            }
        }
        if !trip.results.isEmpty {
            switch results.popFirst() {
            case .success(let rows)?: self.deliver(rows)
            case let failure: self.logFailure(of: "results", failure)
            }
        }
        if !trip.revive.isEmpty { self.logFailure(of: "revive", results.popFirst()) }
        if !trip.abandon.isEmpty {
            let result = results.popFirst()
            self.logFailure(of: "abandon", result)
            if case .failure(let error)? = result, error.isTransient { self.state.withLock { $0.table.returned(trip) } }
        }
    }

    /// The database refused a batch: finds what it is that it refuses, and lets the rest through.
    private func enqueueApart(
        _ events: [NewEvent],
        after error: PostgresError,
        _ process: Int32,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        let split = BatchSplit<NewEvent> { part throws(PostgresError) in
            try connection.pipeline([.enqueue(part, ingress: process)])[0].failure
        }
        guard let refused = try split.refused(of: events, after: error) else {
            self.connector.refused(.enqueuing, error)
            throw error
        }
        self.connector.worked(.enqueuing)
        for (event, error) in refused {
            self.logger.error(
                "the database refused an event",
                metadata: ["event.id": "\(event.id)", "error": "\(error)"]
            )
            // The caller is told that its event is at fault only where it is.
            let outcome = error.isInternal ? Outcome.unavailable : .rejected(error.sqlState ?? "")
            self.finish(CollectionOfOne(event.id), outcome, abandoningAs: nil)
        }
    }

    private func deliver(_ rows: PostgresRows) {
        var endings: [(EventID, Ending)] = []
        for row in 0..<rows.count {
            let id = EventID(rows.uuid(row, 0))
            let attempt = Int(rows.integer(row, 2, as: Int16.self))
            let code = rows.optionalString(row, 3)
            let outcome: Outcome
            switch rows.string(row, 1) {
            case "answered": outcome = .answered(rows.bytes(row, 4), attempt: attempt)
            case "expired": outcome = .expired
            case "cancelled" where code == "ingress_lost":
                self.state.withLock { $0.table.cancelled(id) }
                self.signal.raise()
                continue
            case "cancelled": outcome = code == "paused" ? .paused : .cancelled
            default: outcome = .failed(code: code ?? "handler_failed", attempt: attempt)
            }
            let waited = rows.optionalInteger(row, 5, as: Int32.self).map { Duration.milliseconds($0) }
            endings.append((id, Ending(outcome, waited: waited)))
        }
        self.finish(endings)
    }

    private func logFailure(of statement: String, _ result: Result<PostgresRows, PostgresError>?) {
        guard case .failure(let error)? = result else { return }
        self.logger.error("a statement failed", metadata: ["statement": "\(statement)", "error": "\(error)"])
    }
}
