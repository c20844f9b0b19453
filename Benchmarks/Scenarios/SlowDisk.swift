import LoadGenerator
import Stage

extension Scenario {
    static let slowDisk = Scenario(letter: "d", title: "each flush takes 4 ms longer") { bench in
        try await Deployment.withOneOfEach(bench) { deployment in
            bench.says("d: 256 connections, the disk as it is")
            let without = try await deployment.measureClosed(256, seconds: bench.seconds(20))
            try await deployment.database.query(
                "alter system set commit_delay = 4000",
                "alter system set commit_siblings = 0",
                "select pg_reload_conf()"
            )
            bench.says("d: 256 connections, 4 ms more per flush")
            let with = try await deployment.measureClosed(256, seconds: bench.seconds(20))
            return [
                Row("d", "256 connections, the disk as it is", without.load.rate.perSecond, without),
                Row(
                    "d",
                    "256 connections, 4 ms more per flush",
                    with.load.rate.perSecond,
                    target: "≥ 0.7 × without",
                    ratio: .atLeast(0.7, with.load.rate / without.load.rate),
                    with
                ),
            ]
        }
    }
}
