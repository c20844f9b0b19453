import LoadGenerator
import Stage

extension Scenario {
    static let idleWorkers = Scenario(letter: "h", title: "64 more workers that have nothing to do") { bench in
        // Each process has a few connections.
        try await Deployment.withOneOfEach(bench, settings: ["max_connections": "600"]) { deployment in
            bench.says("h: one worker")
            let median = try await deployment.measureClosed(1, seconds: bench.seconds(15))
            let rate = try await deployment.measureClosed(64, seconds: bench.seconds(15))
            try await deployment.addWorkers(64)
            try await deployment.untilReady()
            bench.says("h: 65 workers")
            let crowdedMedian = try await deployment.measureClosed(1, seconds: bench.seconds(15))
            let crowdedRate = try await deployment.measureClosed(64, seconds: bench.seconds(15))
            return [
                Row("h", "64 connections, 1 worker", rate.load.rate.perSecond, rate),
                Row(
                    "h",
                    "64 connections, 64 more workers",
                    crowdedRate.load.rate.perSecond,
                    target: "≥ 0.8 × without",
                    ratio: .atLeast(0.8, crowdedRate.load.rate / rate.load.rate),
                    crowdedRate
                ),
                Row("h", "median at 1 connection, 1 worker", median.load.latency.p50.milliseconds, median),
                Row(
                    "h",
                    "median at 1 connection, 64 more workers",
                    crowdedMedian.load.latency.p50.milliseconds,
                    target: "≤ 1.5 × without",
                    ratio: .atMost(1.5, crowdedMedian.load.latency.p50 / median.load.latency.p50),
                    crowdedMedian
                ),
            ]
        }
    }
}
