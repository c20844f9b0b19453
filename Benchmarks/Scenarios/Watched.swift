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

    fileprivate func compare(
        _ plain: Deployment,
        _ watched: [(deployment: Deployment, what: String)]
    ) async throws -> [Row] {
        let (rounds, seconds) = (self.count(40, quick: 20, short: 2), self.seconds(2, quick: 1))
        let turns = try await Turns(
            of: rounds,
            [
                {
                    self.says("n: 64 connections, nobody watches")
                    return try await plain.measureClosed(64, seconds: seconds)
                }
            ]
                + watched.map { watched in
                    {
                        self.says("n: 64 connections, \(watched.what)")
                        return try await watched.deployment.whileWatched { deployment in
                            try await deployment.measureClosed(64, seconds: seconds)
                        }
                    }
                }
        )
        return [Row("n", "64 connections, nobody watches", turns.median(0, \.rate).perSecond)]
            + watched.enumerated().map { index, watched in
                Row(
                    "n",
                    watched.what,
                    "\(turns.ratio(index + 1, \.rate).text(2)) × without",
                    note: turns.spread(index + 1, \.rate)
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
        for (page, port) in [("/metrics", ingress), ("/metrics", worker), ("/", ingress)] {
            guard await HTTP.page(page, port: port) != nil else { throw StageError("\(page) can't be read") }
        }
        let watchers = [
            Task {
                while !Task.isCancelled {
                    for port in [ingress, worker] { _ = await HTTP.page("/metrics", port: port) }
                    try? await Task.sleep(for: .seconds(1))
                }
            },
            // It ends when it has been open for a few seconds; a browser would come back, too, but not at once.
            Task {
                while !Task.isCancelled {
                    let start = ContinuousClock.now
                    _ = await HTTP.page("/live", port: ingress)
                    try? await Task.sleep(until: start + .seconds(1), clock: .continuous)
                }
            },
        ]
        defer { for watcher in watchers { watcher.cancel() } }
        return try await body(self)
    }
}
