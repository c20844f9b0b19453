import CoreMetrics
import Logging
import PostgresClient

/// What goes on beside the trips, by the clock.
extension IngressQueue {
    /// Asks again for answers whose notification may be lost, and ends the waits for a database that stays away.
    func watchOver() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(500))
            self.showState()
            if self.isAwayForLong {
                self.finish(
                    self.state.withLock { Array($0.table.entries.keys) },
                    .unavailable,
                    abandoningAs: .databaseAway
                )
                continue
            }
            let waits = self.state.withLock { state in
                state.table.refetch(waitingSince: .now - .seconds(2))
                return !state.table.entries.isEmpty
            }
            if waits { self.signal.raise() }
        }
    }

    /// Ends the waits for nodes that no worker serves.
    ///
    /// Apart from the above, which a database that says nothing must not hold up.
    func watchNodes() async {
        var unservedSince: [String: ContinuousClock.Instant] = [:]
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(500))
            let now = ContinuousClock.now
            let nodes = self.state.withLock { Set($0.table.entries.values.lazy.map(\.event.node)) }
            guard !nodes.isEmpty, let unserved = await self.unserved(nodes) else { continue }
            unservedSince = unservedSince.filter { unserved.contains($0.key) }
            for node in unserved where unservedSince[node] == nil { unservedSince[node] = now }
            let grace = self.limits.workerGrace
            let inVain = self.state.withLock { state in
                state.table.entries.values.filter { entry in
                    now - entry.arrived >= grace
                        && unservedSince[entry.event.node].map { now - $0 >= grace - .seconds(1) } ?? false
                }.map(\.event.id)
            }
            self.finish(inVain, .unserved, abandoningAs: .noWorker)
        }
    }

    private func showState() {
        let (waiting, bytes) = self.state.withLock { ($0.table.entries.count, $0.table.bytes) }
        QueueMetrics.waitingCalls.set(waiting)
        QueueMetrics.waitingBytes.set(bytes)
        QueueMetrics.databaseUp.set(self.isConnected ? 1 : 0)
    }

    /// Asks for the answers that are waited for, where nobody can be told of them.
    func poll() async {
        while !Task.isCancelled {
            let polls = self.connector.lacksSessions
            try? await Task.sleep(for: polls ? ProcessSession.pollInterval : .seconds(1))
            guard polls else { continue }
            let waits = self.state.withLock { state in
                state.table.refetch(waitingSince: .now)
                return !state.table.entries.isEmpty
            }
            if waits { self.signal.raise() }
        }
    }

    /// Once a second, for those who look at an event's life.
    func noteReplies() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            await self.tellReplies()
        }
    }

    /// What is not taken is left out: nothing hangs on it.
    func tellReplies() async {
        // Each try to connect takes its time.
        guard self.connector.awaySince == nil else { return }
        var replies = self.replies.take()[...]
        guard let registration = self.session.registration else { return }
        do throws(PostgresError) {
            while !replies.isEmpty {
                let some = replies.prefix(ReplyLog.mostAtOnce)
                try await self.pool.execute(.replied(Array(some), ingress: registration.process))
                replies = replies.dropFirst(some.count)
            }
        } catch {
            self.logger.debug("replies were not noted", metadata: ["error": "\(error)"])
        }
    }

    private func unserved(_ nodes: Set<String>) async -> Set<String>? {
        var arguments = PostgresArguments()
        arguments.append(Array(nodes))
        do throws(PostgresError) {
            return Set(try await self.pool.execute(PostgresCall(Statements.unserved, arguments)).strings(0, 0))
        } catch {
            return nil
        }
    }
}
