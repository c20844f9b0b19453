package import CoreMetrics
package import RejoinderMetrics
import Synchronization

/// A backend of swift-metrics that Prometheus scrapes: keeps what is measured, and writes it as text.
///
/// Knows names, help and buckets of a table of metrics; others are taken as they come, under a name that Prometheus allows.
package final class PrometheusMetrics: MetricsFactory {
    private struct Place: Sendable {
        let name: String
        let labels: [Label]
    }

    private struct State {
        var families: [String: Family] = [:]
        /// Where each handler's series is.
        var places: [ObjectIdentifier: Place] = [:]
    }

    private let table: [String: Metric]
    private let state = Mutex(State())

    package init(_ table: [Metric] = Metric.all) {
        self.table = Dictionary(table.map { ($0.name, $0) }) { first, _ in first }
    }

    /// From now on, what is made in the process's metrics system is kept here.
    ///
    /// Before the first handle is made, and once in a process.
    package static func bootstrapped() -> PrometheusMetrics {
        let metrics = PrometheusMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }

    /// Everything, in Prometheus's text format 0.0.4; with the process's own figures, in place of what has their names.
    ///
    /// Prometheus refuses the whole text where a name is in it twice.
    package func text() -> String {
        let process = ProcessFigures.families()
        let taken = Set(process.map(\.name))
        let others = self.state.withLock { $0.families.values.filter { !taken.contains($0.name) } }
        return Exposition.text(of: others + process)
    }

    // MARK: MetricsFactory

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.counter(label, dimensions)
    }

    package func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        self.counter(label, dimensions)
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.gauge(label, dimensions)
    }

    package func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        aggregate ? self.histogram(label, dimensions) : self.gauge(label, dimensions)
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        self.histogram(label, dimensions)
    }

    package func destroyCounter(_ handler: any CounterHandler) { self.remove(handler) }

    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { self.remove(handler) }

    package func destroyMeter(_ handler: any MeterHandler) { self.remove(handler) }

    package func destroyRecorder(_ handler: any RecorderHandler) { self.remove(handler) }

    package func destroyTimer(_ handler: any TimerHandler) { self.remove(handler) }

    // MARK: Series

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> PrometheusCounter {
        let instrument = self.instrument(label, .counter, dimensions) { .counter(PrometheusCounter()) }
        return if case .counter(let counter) = instrument { counter } else { PrometheusCounter() }
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> PrometheusGauge {
        let instrument = self.instrument(label, .gauge, dimensions) { .gauge(PrometheusGauge()) }
        return if case .gauge(let gauge) = instrument { gauge } else { PrometheusGauge() }
    }

    private func histogram(_ label: String, _ dimensions: [(String, String)]) -> PrometheusHistogram {
        let bounds = self.table[label]?.buckets ?? Self.usualBounds
        let instrument = self.instrument(label, .histogram, dimensions) {
            .histogram(PrometheusHistogram(bounds: bounds))
        }
        return if case .histogram(let histogram) = instrument { histogram } else { PrometheusHistogram(bounds: bounds) }
    }

    /// The series of these labels, made where it is missing; nil where the name is of another kind of metric.
    ///
    /// Then the handle that asked for it counts for nobody: the text can have one kind under a name.
    private func instrument(
        _ label: String,
        _ kind: Metric.Kind,
        _ dimensions: [(String, String)],
        make: () -> Instrument
    ) -> Instrument? {
        let name = Label.name(of: label, allowingColons: true)
        let labels = Label.labels(dimensions)
        return self.state.withLock { state in
            var family = state.families[name] ?? Family(name: name, kind: kind, help: self.table[name]?.help)
            guard family.kind == kind else { return nil }
            if let instrument = family.series[labels] { return instrument }
            let instrument = make()
            family.series[labels] = instrument
            state.families[name] = family
            state.places[instrument.id] = Place(name: name, labels: labels)
            return instrument
        }
    }

    private func remove(_ handler: AnyObject) {
        self.state.withLock { state in
            guard let place = state.places.removeValue(forKey: ObjectIdentifier(handler)) else { return }
            state.families[place.name]?.series[place.labels] = nil
        }
    }

    /// For histograms that the table doesn't know, which are mostly of seconds.
    private static let usualBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
}
