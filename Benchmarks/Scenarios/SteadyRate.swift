import LoadGenerator
import Stage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension Scenario {
    static let steadyRate = Scenario(letter: "c", title: "open loop at half of (a)") { bench in
        let new = try await Self.steadyRate(bench, "")
        let inUse = try await Self.steadyRate(bench, ", log files at hand", settings: Database.roomyLog) {
            if !bench.isShort { try await $0.makeLog() }
        }
        return new + inUse
    }

    private static func steadyRate(
        _ bench: Bench,
        _ which: String,
        settings: [String: String] = [:],
        _ prepare: (Database) async throws -> Void = { _ in }
    ) async throws -> [Row] {
        // Half of what the machine gives now, which may be another than it was in (a).
        let (rate, measurement) = try await Deployment.withOneOfEach(bench, settings: settings) { deployment in
            try await prepare(deployment.database)
            bench.says("c: 64 connections\(which)")
            let rate = try await deployment.measureClosed(64, seconds: bench.seconds(20)).load.rate / 2
            // Half a gigabyte of what the closed loop has changed the kernel would write within the 60 s, in bursts for which
            // flushes wait.
            sync()
            bench.says("c: \(rate.perSecond)\(which)")
            return (rate, try await deployment.measureOpen(rate, seconds: bench.seconds(60)))
        }
        let latency = measurement.load.latency
        return [
            Row(
                "c",
                "p50 at \(rate.perSecond)\(which)",
                latency.p50.milliseconds,
                target: "≤ 3 ms, none failed",
                isMet: latency.p50 <= 3,
                measurement
            ),
            Row("c", "p99", latency.p99.milliseconds, target: "≤ 15 ms", isMet: latency.p99 <= 15),
            Row("c", "p99.9", latency.p999.milliseconds),
        ]
    }
}
