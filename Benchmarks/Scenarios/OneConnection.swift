import LoadGenerator
import Stage

extension Scenario {
    static let oneConnection = Scenario(letter: "b", title: "one connection") { bench in
        let turns = try await Deployment.withOneOfEach(bench) { deployment in
            var turns: [Turn] = []
            for turn in 1...bench.count(5, quick: 3, short: 1) {
                bench.says("b: one connection, turn \(turn)")
                let measurement = try await deployment.measureClosed(1, seconds: bench.seconds(10))
                turns.append(
                    Turn(
                        measurement: measurement,
                        http: try await bench.floors.measureHTTP(connections: 1).load.latency.p50,
                        sql: try await SQLFloor.measureAlone(bench).median
                    )
                )
            }
            return turns.sorted { $0.ratio < $1.ratio }
        }
        let turn = turns[turns.count / 2]
        let latency = turn.measurement.load.latency
        return [
            Row(
                "b",
                "median at 1 connection",
                latency.p50.milliseconds,
                target: "≤ 1.10 ms, or ratio",
                isMet: latency.p50 <= 1.1,
                ratio: .atMost(1.5, turn.ratio, of: turns.map(\.ratio)),
                floors: "HTTP \(turn.http.milliseconds), SQL \(turn.sql.milliseconds)",
                note: "the median of \(turns.count) turns, each beside floors of its own; their ratios were "
                    + turns.map { $0.ratio.text(2) }.joined(separator: ", "),
                turn.measurement
            ),
            Row(
                "b",
                "p99 at 1 connection",
                latency.p99.milliseconds,
                target: "≤ 3 × median",
                ratio: .atMost(3, latency.p99 / latency.p50)
            ),
        ]
    }
}

/// The queue, and right after it what HTTP and PostgreSQL alone take.
private struct Turn {
    let measurement: Measurement
    /// In milliseconds, as the other.
    let http: Double
    let sql: Double

    var ratio: Double { self.measurement.load.latency.p50 / (self.http + self.sql) }
}
