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
        let figure: Turns.Figure = isOne ? { $0.latency.p50 } : { $0.rate }
        func text(_ value: Double) -> String { isOne ? value.milliseconds : value.perSecond }
        return Row(
            "o",
            isOne ? "median of one caller" : "answered to \(callers) callers",
            text(turns.median(1, figure)),
            floors: "HTTP \(text(figure(floor)))",
            note: "\(turns.ratio(1, figure).text(2)) × on kept connections; \(turns.spread(1, figure))",
            turns.typical(1, figure)
        )
    }
}
