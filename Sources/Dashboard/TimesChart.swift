/// The time to the answer of one node by minute, the last hour: what its template shows.
struct TimesChart: Sendable {
    static let height = 60.0
    /// More nodes than these are left to the table.
    static let most = 8

    let node: String
    let link: String
    let p50: String
    let p95: String
    let p99: String
    let top: String
    let p50Path: String
    let p95Path: String
    let p99Path: String

    /// Of the nodes with the most answers.
    static func charts(_ hour: Hour, at now: Int64) -> [TimesChart] {
        hour.total.times
            .sorted { ($1.value.calls, $0.key) < ($0.value.calls, $1.key) }
            .prefix(self.most)
            .map { TimesChart($0.key, total: $0.value, hour, at: now) }
    }

    private init(_ node: String, total: Hour.Times, _ hour: Hour, at now: Int64) {
        let first = Int(now / 60_000) - Hour.length
        let minutes = (0...Hour.length).map { hour.minutes[first + $0]?.times[node] }
        let highest = minutes.compactMap { $0?.percentile(0.99) }.max() ?? 1
        let top = CallsChart.roundedUp(highest)
        func path(_ fraction: Double) -> String {
            Self.path(minutes.map { $0?.percentile(fraction) }, top: top)
        }
        func figure(_ fraction: Double) -> String { total.percentile(fraction).map { Figure.time($0) } ?? "–" }
        self.node = node
        self.link = URLText.encoded(node)
        (self.p50, self.p95, self.p99) = (figure(0.5), figure(0.95), figure(0.99))
        self.top = Figure.time(top)
        (self.p50Path, self.p95Path, self.p99Path) = (path(0.5), path(0.95), path(0.99))
    }

    /// A line of steps, so that a single minute is seen; broken where there were no calls.
    private static func path(_ values: [Double?], top: Double) -> String {
        var path = ""
        var isDrawing = false
        for (index, value) in values.enumerated() {
            guard let value else {
                isDrawing = false
                continue
            }
            let y = Figure.decimal(self.height - min(1, value / top) * self.height, 1)
            path += isDrawing ? "V\(y)" : "M\(index * 10) \(y)"
            path += "H\(index * 10 + 10)"
            isDrawing = true
        }
        return path
    }
}
