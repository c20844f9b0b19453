import LoadGenerator
import Settings
import Stage

extension Scenario {
    static let idleConnections = Scenario(letter: "j", title: "idle keep-alive connections") { bench in
        let wanted = bench.count(10_000, quick: 10_000, short: 1000)
        // Some files are for other things.
        let count = min(wanted, OpenFiles.most - 500)
        return try await Deployment.with(bench) { deployment in
            try await deployment.addIngress("--limit-connections", "\(count + 1000)")
            try await deployment.addWorkers()
            try await deployment.untilReady()
            func measureAlone() async throws -> Measurement {
                bench.says("j: one connection")
                return try await deployment.measureClosed(1, seconds: bench.seconds(15))
            }
            func measureCrowded() async throws -> Measurement {
                bench.says("j: one connection beside \(count)")
                var load = deployment.load(.closed(connections: 1), seconds: bench.seconds(15))
                load.idleConnections = count
                return try await deployment.measure(load)
            }
            let beside = Comparison(
                before: try await measureAlone(),
                changed: try await measureCrowded(),
                after: try await measureAlone()
            )
            let crowded = beside.changed
            guard crowded.load.idleConnections == count else {
                throw StageError("of \(count) idle connections \(crowded.load.idleConnections) stayed open")
            }
            let held = "\(Double(count).text(0)) idle connections"
            return [
                Row("j", "median at 1 connection", beside.without(\.latency.p50, \.milliseconds), beside.before),
                Row(
                    "j",
                    "median beside \(held)",
                    crowded.load.latency.p50.milliseconds,
                    target: "≤ 1.5 × without",
                    ratio: .atMost(1.5, beside.ratio(\.latency.p50)),
                    note: "the costs include opening them"
                        + (count < wanted ? "; the limit of open files allows no more" : ""),
                    crowded
                ),
                Row(
                    "j",
                    "memory of an ingress with \(held)",
                    crowded.ingressPeakMiB.mebibytes,
                    target: "≤ 250 MiB",
                    isMet: crowded.ingressPeakMiB <= 250
                ),
            ]
        }
    }
}
