import LoadGenerator
import Stage

extension Scenario {
    static let newConnections = Scenario(letter: "o", title: "a connection for each call") { bench in
        try await Deployment.withOneOfEach(bench) { deployment in
            var rows: [Row] = []
            for callers in [1, 64, 256] {
                let (rounds, seconds) = (bench.count(6, quick: 3, short: 1), bench.seconds(5, quick: 2))
                func measure(_ newConnections: Bool) async throws -> Measurement {
                    bench.says("o: callers: \(callers), a connection \(newConnections ? "for each call" : "each")")
                    return try await deployment.measureClosed(callers, seconds: seconds, newConnections: newConnections)
                }
                let turns = try await Turns(of: rounds, [{ try await measure(false) }, { try await measure(true) }])
                bench.says("o: HTTP floor, callers: \(callers), a connection for each call")
                let floor = try await bench.floors.measureHTTP(connections: callers, newConnections: true).load
                rows += [Self.row(callers, turns, floor)]
            }
            return rows
        }
    }

    private static func row(_ callers: Int, _ turns: Turns, _ floor: LoadResult) -> Row {
        let isOne = callers == 1
        let figure = { isOne ? turns.median(1, \.latency.p50).milliseconds : turns.median(1, \.rate).perSecond }()
        let ratio = turns.ratio(1, isOne ? { $0.latency.p50 } : \.rate)
        let spread = turns.spread(1, isOne ? { $0.latency.p50 } : \.rate)
        return Row(
            "o",
            isOne ? "median of one caller" : "answered to \(callers) callers",
            figure,
            floors: "HTTP \(isOne ? floor.latency.p50.milliseconds : floor.rate.perSecond)",
            note: "\(ratio.text(2)) × on kept connections; \(spread)",
            turns.typical(1, \.rate)
        )
    }
}
