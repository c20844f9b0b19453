import CoreMetrics
import Logging
import PostgresClient
import RejoinderMetrics

/// The housekeeping, by whichever process holds the maintenance lock: recovery twice a second, partitions once a minute, and
/// vacuuming the queue's table as often as that is worth it, where its login may.
///
/// At rest, when nothing has been queued for 40 s, there is hardly anything to recover, and it looks each 1.5 s.
///
/// To find what is overdue can take long, while an old snapshot keeps all that was ever in the queue: it may take a twentieth
/// of the time.
struct Maintenance: Sendable {
    private let pool: PostgresPool
    private let logger: Logger

    init(pool: PostgresPool, logger: Logger) {
        self.pool = pool
        self.logger = logger
    }

    /// Runs until the task is cancelled; works only while `isWanted`.
    func run(_ isWanted: @Sendable () -> Bool) async {
        var emptiedPlaces = EmptiedPlaces()
        var lastTidy: ContinuousClock.Instant?
        var isTidy = true
        var vacuum = VacuumPace()
        var mayVacuum = false
        var nextExpiry = ContinuousClock.now
        var nextFullLook = ContinuousClock.now
        while !Task.isCancelled {
            if isWanted() {
                let now = ContinuousClock.now
                let expires = now >= nextExpiry
                var looksAtAll = false
                // What was committed later than 3 s after it was given its place is found once a minute.
                var place = emptiedPlaces.place(asOf: now - .seconds(3))
                if lastTidy.map({ now - $0 >= .seconds(60) }) ?? true {
                    isTidy = await self.tidy(after: isTidy)
                    mayVacuum = await self.mayVacuum()
                    lastTidy = now
                    // The whole queue, for what was committed late and lies below the mark.
                    looksAtAll = now >= nextFullLook
                    if looksAtAll { place = 0 }
                }
                let start = ContinuousClock.now
                do throws(PostgresError) {
                    if let emptied = try await self.recover(after: place, expiring: expires) {
                        emptiedPlaces.note(emptied, at: .now)
                        nextExpiry = .now + (.now - start) * 20
                        if vacuum.isDue(emptiedBelow: emptied, at: .now), mayVacuum {
                            vacuum.took(await self.vacuum(), emptiedBelow: emptied, at: .now)
                        }
                    }
                } catch {
                    if error.isTimeout, expires {
                        // While an old snapshot is held it may all be too much; the dead are found without.
                        if looksAtAll {
                            nextFullLook = .now + .seconds(600)
                        } else {
                            nextExpiry = .now + (.now - start) * 20
                        }
                        self.logger.warning("housekeeping took too long", metadata: ["error": "\(error)"])
                    } else {
                        self.logger.debug("housekeeping failed, will try again", metadata: ["error": "\(error)"])
                    }
                    // It may have crashed, unless it says itself what is wrong: places may be given out a second time.
                    if !error.isStatementTimeout { emptiedPlaces = EmptiedPlaces() }
                }
            } else {
                lastTidy = nil
            }
            try? await Task.sleep(for: emptiedPlaces.isAtRest(at: .now) ? .milliseconds(1500) : .milliseconds(500))
        }
    }

    /// Apart from recovery, which must go on whatever keeps this from being done.
    ///
    /// - Parameter wasTidy: whether it was done the last time; each change gets a line in the log.
    /// - Returns: whether it is done.
    private func tidy(after wasTidy: Bool) async -> Bool {
        do throws(PostgresError) {
            try await self.pool.execute(PostgresCall(Statements.tidy))
            while try await self.pool.execute(PostgresCall(Statements.dropExpired)).integer(0, 0, as: Int32.self) > 0 {}
            if !wasTidy { self.logger.info("partitions are kept in order again") }
            return true
        } catch {
            // That the database is away has a line of its own.
            guard error.sqlState != nil else { return wasTidy }
            if wasTidy {
                self.logger.error(
                    "partitions can't be kept in order, trying each minute",
                    metadata: ["error": "\(error)"]
                )
            }
            return false
        }
    }

    /// Where it may not, autovacuum does that, once a minute at most.
    private func mayVacuum() async -> Bool {
        let rows = try? await self.pool.execute(PostgresCall(Statements.mayVacuum))
        return rows?.bool(0, 0) ?? false
    }

    /// Recovery waits meanwhile, for as long as any statement may take at most.
    ///
    /// - Returns: how long it took.
    private func vacuum() async -> Duration {
        let start = ContinuousClock.now
        do throws(PostgresError) {
            try await self.pool.withConnection { connection throws(PostgresError) in
                try await connection.run(script: Statements.vacuum.sql, timeout: .seconds(10))
            }
        } catch {
            self.logger.debug("the queue's table was not vacuumed", metadata: ["error": "\(error)"])
        }
        return .now - start
    }

    /// Returns the place below which nothing is live now; nil where it did not look.
    private func recover(after place: Int64, expiring: Bool) async throws(PostgresError) -> Int64? {
        var arguments = PostgresArguments()
        arguments.append(place)
        arguments.append(expiring)
        let rows = try await self.pool.execute(PostgresCall(Statements.recover, arguments))
        let counts = (0..<3).map { rows.integer(0, $0, as: Int32.self) }
        QueueMetrics.recoveries.increment(by: counts[0])
        QueueMetrics.cancellations["ingress_lost"].increment(by: counts[1])
        if counts.contains(where: { $0 > 0 }) {
            self.logger.info(
                "recovered",
                metadata: ["requeued": "\(counts[0])", "cancelled": "\(counts[1])", "expired": "\(counts[2])"]
            )
        }
        return rows.optionalInteger(0, 3)
    }
}
