import LoadGenerator
import Stage

extension Scenario {
    static let fullTable = Scenario(letter: "f", title: "many finished events in the table") { bench in
        let count = bench.count(10_000_000, quick: 1_000_000, short: 100_000)
        return try await Deployment.withOneOfEach(bench) { deployment in
            bench.says("f: an empty table")
            let empty = try await deployment.measureClosed(64, seconds: bench.seconds(20))
            bench.says("f: making \(Double(count).text(0)) finished events")
            try await deployment.database.query(QueueSQL.finished(count))
            try await deployment.database.query(QueueSQL.settle)
            bench.says("f: a full table")
            let full = try await deployment.measureClosed(64, seconds: bench.seconds(20))
            return [
                Row("f", "64 connections, empty table", empty.load.rate.perSecond, empty),
                Row(
                    "f",
                    "64 connections, \(Double(count).text(0)) finished events",
                    full.load.rate.perSecond,
                    target: "≥ 0.9 × empty",
                    ratio: .atLeast(0.9, full.load.rate / empty.load.rate),
                    full
                ),
            ]
        }
    }
}
