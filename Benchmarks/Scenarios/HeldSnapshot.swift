import LoadGenerator
import Stage

extension Scenario {
    static let heldSnapshot = Scenario(letter: "e", title: "a transaction that stays open") { bench in
        let (rate, note) = try await bench.rate(2000)
        let slice = bench.seconds(60, quick: 10)
        return try await Deployment.withOneOfEach(bench) { deployment in
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
                    "buffers that a claim reads, the last fifth",
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
    /// An open loop, and then what a claim looks at.
    fileprivate func measureClaim(
        _ rate: Double,
        seconds: Double
    ) async throws -> (measurement: Measurement, buffers: Double) {
        let measurement = try await self.measure(self.load(.open(rate: rate, connections: 2000), seconds: seconds))
        let plan = try await self.database.query(QueueSQL.claimLooks)
        // "Buffers: shared hit=12 read=3": the first line is of all that the statement did.
        let words = plan.split(separator: "\n").first { $0.contains("Buffers:") }?.split(separator: " ") ?? []
        let counts = words.compactMap { word in
            word.hasPrefix("hit=") || word.hasPrefix("read=")
                ? word.split(separator: "=").last.flatMap { Double($0) } : nil
        }
        guard !counts.isEmpty else { throw StageError("the plan of a claim names no buffers") }
        return (measurement, counts.reduce(0, +))
    }
}
