import LoadGenerator
import Stage

extension Scenario {
    private static let slots = 16
    private static let milliseconds = 100

    static let waitingHandlers = Scenario(letter: "g", title: "more and more workers whose handlers wait") { bench in
        try await Deployment.with(bench) { deployment in
            try await deployment.addIngress()
            var rows: [Row] = []
            var one = 0.0
            for workers in [1, 2, 4, 8, 16] {
                try await deployment.addWorkers(
                    workers - deployment.workers.count,
                    slots: Self.slots,
                    milliseconds: Self.milliseconds
                )
                try await deployment.untilReady()
                bench.says("g: \(workers) workers")
                // Twice as many callers as slots: no slot waits for a call.
                var load = deployment.load(
                    .closed(connections: 2 * Self.slots * workers),
                    seconds: bench.seconds(15)
                )
                load.body = SampleCall.wait
                load.warmUp = 1
                let measurement = try await deployment.measure(load)
                if workers == 1 { one = measurement.load.rate }
                rows.append(Self.row(workers, one, measurement))
            }
            return rows
        }
    }

    private static func row(_ workers: Int, _ one: Double, _ measurement: Measurement) -> Row {
        let linear = one * Double(workers)
        let ratio = Row.Ratio.atLeast(0.9, measurement.load.rate / linear)
        let isFull = measurement.cpuShare > 0.85
        return Row(
            "g",
            "\(workers) × \(self.slots) slots, handlers of \(self.milliseconds) ms",
            measurement.load.rate.perSecond,
            target: workers > 1 ? "≥ 0.9 of linear" : "",
            isMet: workers > 1 && isFull ? true : nil,
            ratio: workers > 1 && !isFull ? ratio : nil,
            floors: "slots \((Double(1000 * workers * self.slots) / Double(self.milliseconds)).perSecond)",
            note: isFull ? "the CPU is full; \(ratio.value.text(2)) of linear" : "",
            measurement
        )
    }
}
