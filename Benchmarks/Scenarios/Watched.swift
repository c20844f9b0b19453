import LoadGenerator
import Stage

extension Scenario {
    static let watched = Scenario(letter: "n", title: "metrics scraped, the dashboard open, calls traced") { bench in
        try await Collector.with { collector in
            let tracing = ["0.01", "1"].map {
                ["OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": $0]
            }
            let what = "scraped each second, the dashboard open"
            let names = [what, "the same, and 1 call in 100 traced", "the same, and every call traced"]
            return try await Deployment.withOneOfEach(bench) { plain in
                try await Deployment.withWatched(bench, [[:]] + tracing) { watched in
                    try await bench.compare(plain, Array(zip(watched, names))) + [bench.cost(of: watched[0], what)]
                }
            }
        }
    }
}

extension Bench {
    /// What is taken from the calls where the processors are full, as a part of all processors.
    ///
    /// Measured at rest, with what the calls before have left to show: there it stands out from what the machine does besides.
    fileprivate func cost(of deployment: Deployment, _ what: String) async throws -> Row {
        self.says("n: \(what)")
        let seconds = self.seconds(20, quick: 5)
        let alone = try await deployment.cpuShare(for: seconds)
        let watched = try await deployment.whileWatched { try await $0.cpuShare(for: seconds) }
        let cost = 100 * (watched - alone)
        return Row("n", "CPU, \(what)", "\(cost.text(2)) %", target: "≤ 3 % of all", isMet: cost <= 3)
    }

    /// One after the other, there and back, time after time: what the machine does besides hits all of them.
    ///
    /// Of the ratios the median counts. Many short rounds say more than a few long ones, since the machine's pace changes
    /// within seconds.
    fileprivate func compare(
        _ plain: Deployment,
        _ watched: [(deployment: Deployment, what: String)]
    ) async throws -> [Row] {
        let (rounds, seconds) = (self.count(40, quick: 20, short: 2), self.seconds(2, quick: 1))
        var rates: [Double] = []
        var ratios = watched.map { _ in [Double]() }
        for round in 1...rounds {
            self.says("n: round \(round) of \(rounds)")
            var measured = [Double](repeating: 0, count: watched.count + 1)
            let order = Array(measured.indices)
            for index in round.isMultiple(of: 2) ? order : order.reversed() {
                measured[index] =
                    if index == 0 {
                        try await plain.measureClosed(64, seconds: seconds).load.rate
                    } else {
                        try await watched[index - 1].deployment.whileWatched { deployment in
                            try await deployment.measureClosed(64, seconds: seconds).load.rate
                        }
                    }
            }
            rates.append(measured[0])
            for index in watched.indices { ratios[index].append(measured[index + 1] / measured[0]) }
        }
        return [Row("n", "64 connections, nobody watches", rates.median.perSecond)]
            + zip(watched, ratios).map { watched, ratios in
                Row(
                    "n",
                    watched.what,
                    "\(ratios.median.text(2)) × without",
                    note:
                        "half of \(rounds) rounds from \(ratios.quantile(0.25).text(2)) to \(ratios.quantile(0.75).text(2))"
                )
            }
    }
}

extension Deployment {
    /// One of each for every environment, with admin ports, all at once.
    fileprivate static func withWatched<Result>(
        _ bench: Bench,
        _ environments: [[String: String]],
        _ others: [Deployment] = [],
        _ body: ([Deployment]) async throws -> Result
    ) async throws -> Result {
        guard let environment = environments.first else { return try await body(others) }
        return try await self.withOneOfEach(bench, environment: environment, workerAdminPort: 0) { deployment in
            try await self.withWatched(bench, Array(environments.dropFirst()), others + [deployment], body)
        }
    }

    /// Reads the metrics of each process once a second, and keeps the dashboard open.
    fileprivate func whileWatched<Result>(_ body: (Deployment) async throws -> Result) async throws -> Result {
        let ingress = try await self.ingresses[0].member.port(after: " admin.port=")
        let worker = try await self.workers[0].port(after: " admin.port=", in: "admin port open")
        let watchers = [
            Task {
                while !Task.isCancelled {
                    for port in [ingress, worker] { _ = await HTTP.page("/metrics", port: port) }
                    try? await Task.sleep(for: .seconds(1))
                }
            },
            // It ends when it has been open for a few seconds; a browser would come back, too.
            Task { while !Task.isCancelled { _ = await HTTP.page("/live", port: ingress) } },
        ]
        defer { for watcher in watchers { watcher.cancel() } }
        return try await body(self)
    }
}

extension [Double] {
    fileprivate var median: Double { self.quantile(0.5) }

    /// Between two of them, what lies between by their distance.
    fileprivate func quantile(_ part: Double) -> Double {
        let (sorted, place) = (self.sorted(), part * Double(self.count - 1))
        let (below, above) = (sorted[Int(place)], sorted[Int(place.rounded(.up))])
        return below + (above - below) * place.truncatingRemainder(dividingBy: 1)
    }
}
