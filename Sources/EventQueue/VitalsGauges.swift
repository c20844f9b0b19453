import CoreMetrics
import Logging
import PostgresClient
import RejoinderMetrics

/// The gauges of `rejoinder.vitals()`: a series per row, which goes when its row does.
///
/// A row's metric is a name, or a name and a label such as `rejoinder_queue_events state=queued`.
struct VitalsGauges {
    /// One row of `rejoinder.vitals()`.
    struct Row: Sendable, Hashable {
        let metric: String
        let node: String?
        let value: Double
    }

    /// A series, as a row names it; its node folded.
    struct Key: Hashable {
        let metric: String
        let node: String?

        var isOfEvents: Bool { self.metric.hasPrefix(Metric.queueEvents.name) }

        /// The figure of nodes that share a label: one without workers must not hide behind another.
        func folding(_ one: Double, _ other: Double) -> Double {
            if self.isOfEvents { return one + other }
            return self.metric == Metric.nodeWorkers.name ? min(one, other) : max(one, other)
        }
    }

    private var gauges: [Key: Meter] = [:]
    /// The rows say that something waits or runs.
    private(set) var hasEvents = false

    /// Shows these rows, and no others.
    mutating func show(_ rows: [Row]) {
        let values = Self.folded(rows) { NodeLabels.shared.label(of: $0) }
        self.hasEvents = values.contains { $0.key.isOfEvents && $0.value > 0 }
        for (key, gauge) in self.gauges where values[key] == nil {
            gauge.destroy()
            self.gauges[key] = nil
        }
        for (key, value) in values {
            let gauge = self.gauges[key] ?? Self.gauge(key)
            self.gauges[key] = gauge
            gauge.set(value)
        }
    }

    /// Nodes that share a label become one: events are added up, of workers the fewest count, of anything else the most.
    static func folded(_ rows: [Row], label: (String) -> String) -> [Key: Double] {
        var values: [Key: Double] = [:]
        for row in rows {
            let key = Key(metric: row.metric, node: row.node.map(label))
            values[key] = values[key].map { key.folding($0, row.value) } ?? row.value
        }
        return values
    }

    private static func gauge(_ key: Key) -> Meter {
        let parts = key.metric.split(separator: " ")
        var dimensions = key.node.map { [("node", $0)] } ?? []
        for label in parts.dropFirst() {
            let pair = label.split(separator: "=", maxSplits: 1)
            if pair.count == 2 { dimensions.append((String(pair[0]), String(pair[1]))) }
        }
        return Meter(label: String(parts.first ?? ""), dimensions: dimensions)
    }
}

extension IngressQueue {
    /// Samples the whole queue's vital figures until the task is cancelled; shows none while they can't be had.
    ///
    /// At rest every third time is enough. And reading a large queue takes time: it may take a fiftieth of it.
    func sampleVitals(every interval: Duration = .seconds(5)) async {
        var gauges = VitalsGauges()
        var leftOut = 2
        while !Task.isCancelled {
            if leftOut < 2, !gauges.hasEvents, self.waiting == 0, self.connector.awaySince == nil {
                leftOut += 1
                try? await Task.sleep(for: interval)
                continue
            }
            leftOut = 0
            var pause = interval
            let start = ContinuousClock.now
            do throws(PostgresError) {
                let rows = try await self.pool.execute(PostgresCall(Statements.vitals))
                gauges.show(
                    (0..<rows.count).map { row in
                        VitalsGauges.Row(
                            metric: rows.string(row, 0),
                            node: rows.optionalString(row, 1),
                            value: Double(bitPattern: rows.integer(row, 2))
                        )
                    }
                )
                pause = max(interval, min((ContinuousClock.now - start) * 50, .seconds(60)))
            } catch {
                gauges.show([])
                leftOut = 2
                self.logger.debug("no vital figures", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: pause)
        }
    }
}
