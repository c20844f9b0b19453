import LoadGenerator
import Stage

extension Scenario {
    static let manyProcesses = Scenario(letter: "i", title: "more ingresses and workers") { bench in
        try await Deployment.withOneOfEach(bench) { plain in
            var rows: [Row] = []
            for (ingresses, workers) in [(2, 4), (1, 16)] {
                rows += try await Deployment.with(bench) { deployment in
                    for _ in 0..<ingresses { try await deployment.addIngress() }
                    try await deployment.addWorkers(workers)
                    try await deployment.untilReady()
                    return try await bench.compare(plain, deployment, "\(ingresses) + \(workers) processes")
                }
            }
            return rows
        }
    }
}

extension Bench {
    fileprivate func compare(_ plain: Deployment, _ other: Deployment, _ what: String) async throws -> [Row] {
        var rows: [Row] = []
        for connections in [64, 256] {
            let turns = try await Turns.between(plain, other, self) { deployment, seconds in
                self.says("i: \(connections) connections, \(deployment === plain ? "1 + 1" : what)")
                return try await deployment.measureClosed(connections, seconds: seconds)
            }
            rows += [
                Row(
                    "i",
                    "\(connections) connections, 1 + 1",
                    turns.median(0, \.rate).perSecond,
                    turns.typical(0, \.rate)
                ),
                Row(
                    "i",
                    "\(connections) connections, \(what)",
                    turns.median(1, \.rate).perSecond,
                    target: "≥ 0.9 × 1 + 1",
                    ratio: .atLeast(0.9, turns.ratio(1, \.rate)),
                    note: turns.spread(1, \.rate),
                    turns.typical(1, \.rate)
                ),
            ]
        }
        return rows
    }
}
