package import CoreMetrics

/// One of Rejoinder's metrics, under the one name that it has in code, text and dashboards.
package struct Metric: Sendable, Hashable {
    package enum Kind: String, Sendable {
        /// Only grows.
        case counter
        case gauge
        /// Counts in buckets.
        case histogram
    }

    package let name: String
    package let kind: Kind
    /// The names of its labels.
    package let labels: [String]
    /// One line: what it tells.
    package let help: String
    /// The upper bounds of a histogram's buckets, without the last, which has none.
    package let buckets: [Double]

    init(_ name: String, _ kind: Kind, _ labels: [String] = [], buckets: [Double] = [], help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.buckets = buckets
        self.help = help
    }

    /// With the metric's label names.
    fileprivate func dimensions(_ values: [String]) -> [(String, String)] {
        precondition(values.count == self.labels.count, "\(self.name) has the labels \(self.labels)")
        return Array(zip(self.labels, values))
    }
}

extension Counter {
    /// The series of these label values, in the metric's order.
    ///
    /// Made once and kept: it is looked up in the metrics system.
    package convenience init(_ metric: Metric, _ values: String...) {
        self.init(label: metric.name, dimensions: metric.dimensions(values))
    }
}

extension Meter {
    /// The series of these label values, in the metric's order.
    package convenience init(_ metric: Metric, _ values: String...) {
        self.init(label: metric.name, dimensions: metric.dimensions(values))
    }
}

extension Recorder {
    /// The histogram of these label values, in the metric's order.
    package convenience init(_ metric: Metric, _ values: String...) {
        self.init(label: metric.name, dimensions: metric.dimensions(values), aggregate: true)
    }
}

extension Timer {
    /// The histogram of times of these label values, in the metric's order.
    package convenience init(_ metric: Metric, _ values: String...) {
        self.init(label: metric.name, dimensions: metric.dimensions(values))
    }

    package func record(since start: ContinuousClock.Instant) {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        self.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
