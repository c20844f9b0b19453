import LoadGenerator
import Stage

extension Scenario {
    static let idleWorkers = Scenario(letter: "h", title: "64 more workers that have nothing to do") { bench in
        try await Deployment.withOneOfEach(bench) { plain in
            // Each process has a few connections.
            try await Deployment.withOneOfEach(bench, settings: ["max_connections": "600"]) { crowded in
                try await crowded.addWorkers(64)
                try await crowded.untilReady()
                func turns(_ connections: Int) async throws -> Turns {
                    try await Turns.between(plain, crowded, bench) { deployment, seconds in
                        bench.says("h: connections: \(connections), workers: \(deployment.workers.count)")
                        return try await deployment.measureClosed(connections, seconds: seconds)
                    }
                }
                let one = try await turns(1)
                let many = try await turns(64)
                return many.rows(
                    "h",
                    \.rate,
                    \.perSecond,
                    without: "64 connections, 1 worker",
                    with: "64 connections, 64 more workers",
                    target: "≥ 0.8 × without"
                ) { .atLeast(0.8, $0, of: $1) }
                    + one.rows(
                        "h",
                        \.latency.p50,
                        \.milliseconds,
                        without: "median at 1 connection, 1 worker",
                        with: "median at 1 connection, 64 more workers",
                        target: "≤ 1.5 × without"
                    ) { .atMost(1.5, $0, of: $1) }
            }
        }
    }
}
