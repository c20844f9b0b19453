import LoadGenerator
import Settings
import Stage

extension Scenario {
    static let slowHandlers = Scenario(letter: "k", title: "many callers wait at once") { bench in
        let wanted = bench.count(5000, quick: 5000, short: 500)
        let count = min(wanted, OpenFiles.most - 500)
        return try await Deployment.with(bench) { deployment in
            try await deployment.addIngress()
            try await deployment.addWorkers(slots: count, milliseconds: 5000)
            try await deployment.untilReady()
            bench.says("k: \(count) callers wait 5 s")
            var load = deployment.load(.closed(connections: count), seconds: 60)
            load.body = SampleCall.wait
            load.calls = count
            let measurement = try await deployment.measure(load)
            return [
                Row(
                    "k",
                    "of \(Double(count).text(0)) callers, handlers of 5 s, answered",
                    Double(measurement.load.answered).text(0),
                    target: "all",
                    isMet: measurement.load.answered == count,
                    note: count < wanted ? "the limit of open files allows no more" : "",
                    measurement
                ),
                Row("k", "the last of them after", measurement.load.latency.max.milliseconds),
                Row(
                    "k",
                    "memory of the ingress",
                    measurement.ingressPeakMiB.mebibytes,
                    target: "≤ 400 MiB",
                    isMet: measurement.ingressPeakMiB <= 400
                ),
            ]
        }
    }
}
