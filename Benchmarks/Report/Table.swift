/// Rows as aligned text.
struct Table {
    private static let titles = [
        "", "what", "figure", "target", "floors", "ratio", "verdict", "ingress", "worker", "postgres", "load",
        "WAL bytes",
        "flushes", "MiB",
    ]

    let text: String

    init(_ rows: [Row]) {
        let lines = [Self.titles] + rows.map(Self.cells)
        let widths = Self.titles.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        let texts = lines.map { line in
            let cells = zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
        let notes = rows.filter { !$0.note.isEmpty }.map { "  \($0.scenario)  \($0.what): \($0.note)" }
        self.text = (texts + [Self.legend] + notes).joined(separator: "\n")
    }

    private static let legend = """

          ingress, worker, postgres, load: microseconds of CPU per call; WAL bytes, flushes: per call;
          MiB: the most that an ingress and a worker had in memory
        """

    private static func cells(_ row: Row) -> [String] {
        let ratio = row.ratio.map { "\($0.value.text(2)) of \($0.bound.text(2))" } ?? ""
        let cells = [row.scenario, row.what, row.figure, row.target, row.floors, ratio, row.verdict.rawValue]
        guard let measurement = row.measurement else { return cells + Array(repeating: "", count: 7) }
        let cpu = measurement.cpu
        return cells + [
            cpu.ingress.text(1), cpu.worker.text(1), cpu.postgres.text(1), cpu.load.text(1),
            measurement.walBytes.text(0), measurement.walFlushes?.text(3) ?? "?",
            "\(measurement.ingressPeakMiB.text(0)) \(measurement.workerPeakMiB.text(0))",
        ]
    }
}
