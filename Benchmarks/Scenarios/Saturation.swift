import LoadGenerator
import Stage

extension Scenario {
    static let saturation = Scenario(letter: "a", title: "closed loop, durable") { bench in
        try await Deployment.withOneOfEach(bench) { deployment in
            var rows: [Row] = []
            for (connections, target) in [(1, nil), (64, 10_000.0), (256, 14_000.0)] {
                bench.says("a: connections: \(connections)")
                let measurement = try await deployment.measureClosed(connections, seconds: bench.seconds(20))
                if connections == 64 { bench.saturation = measurement.load.rate }
                rows.append(try await Self.row(bench, connections, target, measurement))
                if connections > 1, let flushes = measurement.walFlushes {
                    rows.append(
                        Row(
                            "a",
                            "disk flushes for each, at \(connections) connections",
                            flushes.text(3),
                            target: "< 0.1",
                            ratio: .atMost(0.1, flushes)
                        )
                    )
                }
            }
            return rows
        }
    }

    private static func row(
        _ bench: Bench,
        _ connections: Int,
        _ target: Double?,
        _ measurement: Measurement
    ) async throws -> Row {
        let rate = measurement.load.rate
        let http = try await bench.floors.http(connections: connections).rate
        let sql = try await bench.floors.sql().rate(batch: connections == 1 ? 1 : 200)
        return Row(
            "a",
            "answered at \(connections) connection\(connections == 1 ? "" : "s")",
            rate.perSecond,
            target: target.map { "≥ \($0.perSecond), or ratio" } ?? "",
            isMet: target.map { rate >= $0 },
            ratio: target == nil ? nil : .atLeast(0.6, rate * (1 / http + 1 / sql)),
            floors: "HTTP \(http.perSecond), SQL \(sql.perSecond)",
            measurement
        )
    }
}
