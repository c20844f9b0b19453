import LoadGenerator
import Stage

extension Scenario {
    static let manyProcesses = Scenario(letter: "i", title: "more ingresses and workers") { bench in
        var rows: [Row] = []
        var alone: [Int: Double] = [:]
        for (ingresses, workers) in [(1, 1), (2, 4), (1, 16)] {
            let measurements = try await Deployment.with(bench) { deployment in
                for _ in 0..<ingresses { try await deployment.addIngress() }
                try await deployment.addWorkers(workers)
                try await deployment.untilReady()
                bench.says("i: \(ingresses) + \(workers) processes")
                var measurements: [(connections: Int, measurement: Measurement)] = []
                for connections in [64, 256] {
                    let measurement = try await deployment.measureClosed(connections, seconds: bench.seconds(15))
                    measurements.append((connections, measurement))
                }
                return measurements
            }
            for (connections, measurement) in measurements {
                let rate = measurement.load.rate
                rows.append(
                    Row(
                        "i",
                        "\(connections) connections, \(ingresses) + \(workers) processes",
                        rate.perSecond,
                        target: alone[connections] == nil ? "" : "≥ 0.9 × 1 + 1",
                        ratio: alone[connections].map { .atLeast(0.9, rate / $0) },
                        measurement
                    )
                )
                alone[connections] = alone[connections] ?? rate
            }
        }
        return rows
    }
}
