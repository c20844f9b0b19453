import LoadGenerator
import Stage

extension Scenario {
    static let manyProcesses = Scenario(letter: "i", title: "more ingresses and workers") { bench in
        let loads = [64, 256]
        func measure(_ ingresses: Int, _ workers: Int) async throws -> [Measurement] {
            try await Deployment.with(bench) { deployment in
                for _ in 0..<ingresses { try await deployment.addIngress() }
                try await deployment.addWorkers(workers)
                try await deployment.untilReady()
                bench.says("i: \(ingresses) + \(workers) processes")
                var measurements: [Measurement] = []
                for connections in loads {
                    measurements.append(try await deployment.measureClosed(connections, seconds: bench.seconds(15)))
                }
                return measurements
            }
        }
        var rows: [Row] = []
        var before = try await measure(1, 1)
        for (ingresses, workers) in [(2, 4), (1, 16)] {
            let changed = try await measure(ingresses, workers)
            let after = try await measure(1, 1)
            for (index, connections) in loads.enumerated() {
                let processes = Comparison(before: before[index], changed: changed[index], after: after[index])
                rows += [
                    Row(
                        "i",
                        "\(connections) connections, 1 + 1",
                        processes.without(\.rate, \.perSecond),
                        processes.before
                    ),
                    Row(
                        "i",
                        "\(connections) connections, \(ingresses) + \(workers) processes",
                        processes.changed.load.rate.perSecond,
                        target: "≥ 0.9 × 1 + 1",
                        ratio: .atLeast(0.9, processes.ratio(\.rate)),
                        processes.changed
                    ),
                ]
            }
            before = after
        }
        return rows
    }
}
