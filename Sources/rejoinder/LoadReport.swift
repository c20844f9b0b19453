import LoadGenerator

/// A load's result as a small table for a person.
struct LoadReport {
    let text: String

    init(_ result: LoadResult) {
        let refusals = result.refused.sorted { $0.key < $1.key }
        let rows: [(String, Int, String)] = [
            ("calls", result.sent, "in \(Self.decimal(result.seconds, 1)) s"),
            ("answered", result.answered, "\(Self.decimal(result.rate, 1)) a second"),
            ("wrong", result.wrong, ""),
            (
                "refused", refusals.reduce(0) { $0 + $1.value },
                refusals.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
            ),
            ("failed", result.failed, ""),
            ("unanswered", result.unanswered, ""),
            ("connections", result.connections, result.connectionsLost > 0 ? "\(result.connectionsLost) lost" : ""),
        ]
        let counts = rows.map { name, count, remark in
            let line = "\(name.padded(to: 12))\(String(count).padded(to: -10))"
            return remark.isEmpty ? line : "\(line)   \(remark)"
        }
        let latency = result.latency
        let columns = [
            ("min", latency.min), ("mean", latency.mean), ("p50", latency.p50), ("p90", latency.p90),
            ("p99", latency.p99), ("p99.9", latency.p999), ("max", latency.max),
        ]
        let head = "latency".padded(to: 12) + columns.map { $0.0.padded(to: -10) }.joined()
        let values = "ms".padded(to: 12) + columns.map { Self.decimal($0.1, 3).padded(to: -10) }.joined()
        self.text = (counts + ["", head, values]).joined(separator: "\n")
    }

    private static func decimal(_ value: Double, _ places: Int) -> String {
        let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
        let scaled = Int((value * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
    }
}

extension String {
    /// Filled up with blanks: behind, or before where the width is negative.
    fileprivate func padded(to width: Int) -> String {
        let blanks = String(repeating: " ", count: max(0, abs(width) - self.count))
        return width < 0 ? blanks + self : self + blanks
    }
}
