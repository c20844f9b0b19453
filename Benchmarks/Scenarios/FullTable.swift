import LoadGenerator
import Stage

extension Scenario {
    static let fullTable = Scenario(letter: "f", title: "many finished events in the table") { bench in
        let count = bench.count(10_000_000, quick: 1_000_000, short: 100_000)
        return try await Deployment.withOneOfEach(bench) { deployment in
            func measure(_ table: String, _ change: String? = nil) async throws -> Measurement {
                if let change {
                    try await deployment.database.query(change)
                    try await deployment.database.query(QueueSQL.settle)
                }
                bench.says("f: \(table) table")
                return try await deployment.measureClosed(64, seconds: bench.seconds(20))
            }
            let table = Comparison(
                before: try await measure("an empty"),
                changed: try await measure("a full", QueueSQL.finished(count)),
                after: try await measure("an empty", QueueSQL.empty)
            )
            return [
                Row("f", "64 connections, empty table", table.without(\.rate, \.perSecond), table.before),
                Row(
                    "f",
                    "64 connections, \(Double(count).text(0)) finished events",
                    table.changed.load.rate.perSecond,
                    target: "≥ 0.9 × empty",
                    ratio: .atLeast(0.9, table.ratio(\.rate)),
                    table.changed
                ),
            ]
        }
    }
}
