import LoadGenerator
import Stage

extension Scenario {
    static let heldSnapshot = Scenario(letter: "e", title: "a transaction that stays open") { bench in
        let (rate, note) = try await bench.rate(2000)
        let slice = bench.seconds(60, quick: 10)
        return try await Deployment.withOneOfEach(bench, settings: QueueSQL.countingLooks) { deployment in
            try await deployment.database.query(QueueSQL.countLooks)
            var warmUp = deployment.load(.open(rate: rate, connections: 2000), seconds: 0)
            warmUp.warmUp = min(3, slice / 2)
            _ = try await warmUp.run()
            let holder = try await deployment.database.start(
                QueueSQL.heldSnapshot(seconds: Int(slice) * 10 + 60),
                in: deployment.fleet
            )
            bench.says("e: \(rate.perSecond), five times \(slice.text(0)) s with a transaction open")
            let first = try await deployment.measureClaim(rate, seconds: slice)
            _ = try await deployment.load(.open(rate: rate, connections: 2000), seconds: 3 * slice).run()
            let last = try await deployment.measureClaim(rate, seconds: slice)
            guard ProcessFigures(holder.pid) != nil else { throw StageError("the transaction did not stay open") }
            let (before, after) = (first.measurement.load.latency.p99, last.measurement.load.latency.p99)
            return [
                Row(
                    "e",
                    "p99 at \(rate.perSecond), the first fifth",
                    before.milliseconds,
                    note: note,
                    first.measurement
                ),
                Row(
                    "e",
                    "p99, the last fifth",
                    after.milliseconds,
                    target: "≤ 1.5 × the first",
                    ratio: .atMost(1.5, after / before),
                    last.measurement
                ),
                Row(
                    "e",
                    "buffers that a worker's claim reads, the last fifth",
                    last.buffers.text(0),
                    target: "no growth",
                    ratio: .atMost(1.1, last.buffers / first.buffers),
                    floors: "first \(first.buffers.text(0))"
                ),
            ]
        }
    }
}

extension Deployment {
    /// An open loop, and how many pages each of the workers' claims looked at meanwhile.
    fileprivate func measureClaim(
        _ rate: Double,
        seconds: Double
    ) async throws -> (measurement: Measurement, buffers: Double) {
        let before = try await self.claimLooks()
        let measurement = try await self.measure(self.load(.open(rate: rate, connections: 2000), seconds: seconds))
        let after = try await self.claimLooks()
        guard after.claims > before.claims else { throw StageError("the server has seen no claim") }
        return (measurement, (after.pages - before.pages) / (after.claims - before.claims))
    }

    private func claimLooks() async throws -> (pages: Double, claims: Double) {
        let numbers = try await self.database.query(QueueSQL.claimLooks).split(separator: " ").compactMap { Double($0) }
        guard numbers.count == 2 else { throw StageError("the server does not say what claims look at") }
        return (numbers[0], numbers[1])
    }
}
