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
            rows += turns.rows(
                "i",
                \.rate,
                \.perSecond,
                without: "\(connections) connections, 1 + 1",
                with: "\(connections) connections, \(what)",
                target: "≥ 0.9 × 1 + 1"
            ) { .atLeast(0.9, $0, of: $1) }
        }
        return rows
    }
}
