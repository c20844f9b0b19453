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
                return [
                    Row(
                        "h",
                        "64 connections, 1 worker",
                        many.median(0, \.rate).perSecond,
                        many.typical(0, \.rate)
                    ),
                    Row(
                        "h",
                        "64 connections, 64 more workers",
                        many.median(1, \.rate).perSecond,
                        target: "≥ 0.8 × without",
                        ratio: .atLeast(0.8, many.ratio(1, \.rate)),
                        note: many.spread(1, \.rate),
                        many.typical(1, \.rate)
                    ),
                    Row(
                        "h",
                        "median at 1 connection, 1 worker",
                        one.median(0, \.latency.p50).milliseconds,
                        one.typical(0, \.latency.p50)
                    ),
                    Row(
                        "h",
                        "median at 1 connection, 64 more workers",
                        one.median(1, \.latency.p50).milliseconds,
                        target: "≤ 1.5 × without",
                        ratio: .atMost(1.5, one.ratio(1, \.latency.p50)),
                        note: one.spread(1, \.latency.p50),
                        one.typical(1, \.latency.p50)
                    ),
                ]
            }
        }
    }
}
