import HeapModule
import Synchronization

/// Tells when instants have come, for any number of elements, with one sleeping task.
///
/// Nothing is taken out early: whoever is done before its instant is reported all the same, and ignored by the receiver.
package final class DeadlineQueue<Element: Sendable>: Sendable {
    private struct Entry: Comparable {
        let deadline: ContinuousClock.Instant
        let element: Element

        static func < (left: Self, right: Self) -> Bool { left.deadline < right.deadline }
        static func == (left: Self, right: Self) -> Bool { left.deadline == right.deadline }
    }

    private struct State {
        var heap = Heap<Entry>()
        /// Ends the sleep until the earliest deadline; nil while nobody sleeps.
        var sleep: Task<Void, Never>?
        var wakesAt: ContinuousClock.Instant?
    }

    /// Reports are at least so far apart, so that deadlines which come one after the other are reported together.
    private let spacing: Duration
    private let state = Mutex(State())

    package init(spacing: Duration = .milliseconds(20)) {
        self.spacing = spacing
    }

    package func insert(_ element: Element, at deadline: ContinuousClock.Instant) {
        let sleep: Task<Void, Never>? = self.state.withLock { state in
            state.heap.insert(Entry(deadline: deadline, element: element))
            guard let wakesAt = state.wakesAt, deadline < wakesAt else { return nil }
            state.wakesAt = nil
            return state.sleep
        }
        sleep?.cancel()
    }

    /// Takes what is due.
    package func due(at now: ContinuousClock.Instant) -> [Element] {
        self.state.withLock { state in
            var elements: [Element] = []
            while let first = state.heap.min, first.deadline <= now {
                elements.append(state.heap.removeMin().element)
            }
            return elements
        }
    }

    /// Calls `report` with what is due, until the task is cancelled.
    ///
    /// Sleeps until the earliest deadline, for ever where there is none.
    package func run(_ report: ([Element]) -> Void) async {
        while !Task.isCancelled {
            await self.sleep()
            let due = self.due(at: .now)
            if due.isEmpty { continue }
            report(due)
            try? await Task.sleep(for: self.spacing)
        }
    }

    private func sleep() async {
        let sleep: Task<Void, Never> = self.state.withLock { state in
            let wakesAt = state.heap.min?.deadline ?? .now + .seconds(24 * 3600)
            let sleep = Task(name: "until the next deadline") {
                _ = try? await Task.sleep(until: wakesAt, clock: .continuous)
            }
            state.sleep = sleep
            state.wakesAt = wakesAt
            return sleep
        }
        await withTaskCancellationHandler {
            await sleep.value
        } onCancel: {
            sleep.cancel()
        }
    }
}
