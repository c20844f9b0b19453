import EventQueue

/// What one wants to see of the queue at a glance.
struct StatusScreen {
    private let overview: [Operator.Overview]
    private let nodes: [Operator.Node]
    private let workers: [Operator.Worker]
    private let incidents: [Operator.Incident]
    private let failures: [Operator.Failure]

    init(_ queue: Operator) async throws(QueueError) {
        self.overview = try await queue.overview()
        self.nodes = try await queue.nodes()
        self.workers = try await queue.workers()
        self.incidents = try await queue.incidents()
        self.failures = try await queue.failures()
    }

    /// One object, in one line.
    var json: String {
        let parts = [
            ("overview", JSONListing.array(self.overview)), ("nodes", JSONListing.array(self.nodes)),
            ("workers", JSONListing.array(self.workers)), ("incidents", JSONListing.array(self.incidents)),
            ("failures", JSONListing.array(self.failures)),
        ]
        return JSONListing.object(parts.map { ($0, $1.split(separator: "\n").joined()) })
    }

    var text: String {
        let steered = self.nodes.filter { $0.isPaused || $0.maxRunning != nil || $0.maxPerSecond != nil }
        var parts = [
            Self.part("Nodes", self.nodeTable, empty: "no event yet"),
            Self.part(
                "Workers",
                TextTable(self.workers, WorkersCommand.columns),
                empty: "none: calls end with no_worker"
            ),
            Self.part(
                "Incidents of the last hour",
                self.incidentTable,
                empty: "none"
            ),
            Self.part(
                "Last failures",
                TextTable(self.failures, ["finished", "id", "node", "state", "attempt", "code", "error"]),
                empty: "none"
            ),
        ]
        if !steered.isEmpty {
            let columns = ["node", "paused", "waits", "max_running", "max_per_second"]
            parts.insert(Self.part("Paused or limited", TextTable(steered, columns), empty: ""), at: 1)
        }
        return parts.joined(separator: "\n")
    }

    private var nodeTable: TextTable {
        TextTable(
            columns: [
                "node", "queued", "running", "oldest", "answered 1m / 1h", "failed 1m / 1h", "expired 1m / 1h",
                "cancelled 1m / 1h", "p50 / p95 / p99 ms",
            ],
            rows: self.overview.map { node in
                func several(_ names: String...) -> String {
                    names.map { node.fields[$0].shown }.joined(separator: " / ")
                }
                return [
                    node.node, "\(node.queued)", "\(node.running)", node.fields["oldest"].shown,
                    several("answered_minute", "answered_hour"), several("failed_minute", "failed_hour"),
                    several("expired_minute", "expired_hour"), several("cancelled_minute", "cancelled_hour"),
                    node.fields["p50_ms"] == .null ? "" : several("p50_ms", "p95_ms", "p99_ms"),
                ]
            }
        )
    }

    private var incidentTable: TextTable {
        let columns = ["about", "code", "last_5_minutes", "last_hour", "last_at"]
        return TextTable(
            columns: columns + ["advice"],
            // What to do is of no use in part.
            rows: self.incidents.map { incident in columns.map { incident.fields[$0].shown } + [incident.advice ?? ""] }
        )
    }

    private static func part(_ title: String, _ table: TextTable, empty: String) -> String {
        guard !table.rows.isEmpty else { return "\(title): \(empty)\n" }
        return "\(title)\n  " + table.text.split(separator: "\n").joined(separator: "\n  ") + "\n"
    }
}
