import LoadGenerator
import Stage

extension Scenario {
    static let oneConnection = Scenario(letter: "b", title: "one connection") { bench in
        let measurement = try await Deployment.withOneOfEach(bench) { deployment in
            bench.says("b: one connection")
            return try await deployment.measureClosed(1, seconds: bench.seconds(20))
        }
        let http = try await bench.floors.http(connections: 1).latency.p50
        let sql = try await bench.floors.sql().median
        let latency = measurement.load.latency
        return [
            Row(
                "b",
                "median at 1 connection",
                latency.p50.milliseconds,
                target: "≤ 1.10 ms, or ratio",
                isMet: latency.p50 <= 1.1,
                ratio: .atMost(1.5, latency.p50 / (http + sql)),
                floors: "HTTP \(http.milliseconds), SQL \(sql.milliseconds)",
                measurement
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
