import LoadGenerator
import Stage

extension Scenario {
    static let fullTable = Scenario(letter: "f", title: "many finished events in the table") { bench in
        let count = bench.count(10_000_000, quick: 1_000_000, short: 100_000)
        let finished = "\(Double(count).text(0)) finished events"
        // What fills the table leaves its server many files of the log, which the other one would still have to make.
        return try await Deployment.withOneOfEach(bench, settings: Database.roomyLog) { empty in
            try await Deployment.withOneOfEach(bench, settings: Database.roomyLog) { full in
                bench.says("f: \(finished)")
                try await full.database.query(QueueSQL.finished(count))
                for deployment in [empty, full] {
                    try await deployment.database.query(QueueSQL.settle)
                    if !bench.isShort { try await deployment.database.makeLog() }
                }
                let turns = try await Turns.between(empty, full, bench) { deployment, seconds in
                    bench.says("f: \(deployment === empty ? "an empty" : "a full") table")
                    return try await deployment.measureClosed(64, seconds: seconds)
                }
                return turns.rows(
                    "f",
                    \.rate,
                    \.perSecond,
                    without: "64 connections, empty table",
                    with: "64 connections, \(finished)",
                    target: "≥ 0.9 × empty"
                ) { .atLeast(0.9, $0, of: $1) }
            }
        }
    }
}
