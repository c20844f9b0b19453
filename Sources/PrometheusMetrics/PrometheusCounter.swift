import CoreMetrics
import Synchronization

/// Only grows: in whole steps, or in parts.
final class PrometheusCounter: CounterHandler, FloatingPointCounterHandler {
    private let whole = Atomic<Int64>(0)
    private let parts = AtomicDouble()

    var value: Double { Double(self.whole.load(ordering: .relaxed)) + self.parts.value }

    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        self.whole.wrappingAdd(amount, ordering: .relaxed)
    }

    func increment(by amount: Double) {
        guard amount > 0 else { return }
        self.parts.add(amount)
    }

    func reset() {
        self.whole.store(0, ordering: .relaxed)
        self.parts.set(0)
    }
}

/// Goes up and down.
final class PrometheusGauge: MeterHandler, RecorderHandler {
    private let number = AtomicDouble()

    var value: Double { self.number.value }

    func set(_ value: Int64) { self.number.set(Double(value)) }

    func set(_ value: Double) { self.number.set(value) }

    func increment(by amount: Double) { self.number.add(amount) }

    func decrement(by amount: Double) { self.number.add(-amount) }

    func record(_ value: Int64) { self.number.set(Double(value)) }

    func record(_ value: Double) { self.number.set(value) }
}

/// A number that many threads change.
private final class AtomicDouble: Sendable {
    private let bits = Atomic(Double.zero.bitPattern)

    var value: Double { Double(bitPattern: self.bits.load(ordering: .relaxed)) }

    func set(_ value: Double) { self.bits.store(value.bitPattern, ordering: .relaxed) }

    func add(_ amount: Double) {
        var current = self.bits.load(ordering: .relaxed)
        while true {
            let sum = (Double(bitPattern: current) + amount).bitPattern
            let result = self.bits.weakCompareExchange(expected: current, desired: sum, ordering: .relaxed)
            if result.exchanged { return }
            current = result.original
        }
    }
}
