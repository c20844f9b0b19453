import LoadGenerator
import Stage

extension Scenario {
    static let slowDisk = Scenario(letter: "d", title: "each flush takes 4 ms longer") { bench in
        try await Deployment.withOneOfEach(bench) { deployment in
            func measure(_ disk: String, _ settings: String...) async throws -> Measurement {
                for setting in settings { try await deployment.database.query("alter system \(setting)") }
                try await deployment.database.query("select pg_reload_conf()")
                bench.says("d: 256 connections, \(disk)")
                return try await deployment.measureClosed(256, seconds: bench.seconds(20))
            }
            let (asItIs, slow) = ("the disk as it is", "4 ms more per flush")
            let disk = Comparison(
                before: try await measure(asItIs),
                changed: try await measure(slow, "set commit_delay = 4000", "set commit_siblings = 0"),
                after: try await measure(asItIs, "reset commit_delay", "reset commit_siblings")
            )
            return [
                Row("d", "256 connections, \(asItIs)", disk.without(\.rate, \.perSecond), disk.before),
                Row(
                    "d",
                    "256 connections, \(slow)",
                    disk.changed.load.rate.perSecond,
                    target: "≥ 0.7 × without",
                    ratio: .atLeast(0.7, disk.ratio(\.rate)),
                    disk.changed
                ),
            ]
        }
    }
}
