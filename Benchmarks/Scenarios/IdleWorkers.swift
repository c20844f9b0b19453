import LoadGenerator
import Stage

extension Scenario {
    static let idleWorkers = Scenario(letter: "h", title: "64 more workers that have nothing to do") { bench in
        // Each process has a few connections.
        try await Deployment.withOneOfEach(bench, settings: ["max_connections": "600"]) { deployment in
            func measure() async throws -> (one: Measurement, many: Measurement) {
                bench.says("h: \(deployment.workers.count) workers")
                return (
                    try await deployment.measureClosed(1, seconds: bench.seconds(15)),
                    try await deployment.measureClosed(64, seconds: bench.seconds(15))
                )
            }
            let before = try await measure()
            try await deployment.addWorkers(64)
            try await deployment.untilReady()
            let crowded = try await measure()
            await deployment.endWorkers(64)
            let after = try await measure()
            let one = Comparison(before: before.one, changed: crowded.one, after: after.one)
            let many = Comparison(before: before.many, changed: crowded.many, after: after.many)
            return [
                Row("h", "64 connections, 1 worker", many.without(\.rate, \.perSecond), many.before),
                Row(
                    "h",
                    "64 connections, 64 more workers",
                    many.changed.load.rate.perSecond,
                    target: "≥ 0.8 × without",
                    ratio: .atLeast(0.8, many.ratio(\.rate)),
                    many.changed
                ),
                Row("h", "median at 1 connection, 1 worker", one.without(\.latency.p50, \.milliseconds), one.before),
                Row(
                    "h",
                    "median at 1 connection, 64 more workers",
                    one.changed.load.latency.p50.milliseconds,
                    target: "≤ 1.5 × without",
                    ratio: .atMost(1.5, one.ratio(\.latency.p50)),
                    one.changed
                ),
            ]
        }
    }
}
