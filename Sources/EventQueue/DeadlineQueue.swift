import HeapModule
import Synchronization

/// Tells when instants have come, for any number of elements, with one sleeping task.
///
/// Nothing is taken out early: whoever is done before its instant is reported all the same, and ignored by the receiver.
/// Reports at most `tick` late.
package final class DeadlineQueue<Element: Sendable>: Sendable {
    private struct Entry: Comparable {
        let deadline: ContinuousClock.Instant
        let element: Element

        static func < (left: Self, right: Self) -> Bool { left.deadline < right.deadline }
        static func == (left: Self, right: Self) -> Bool { left.deadline == right.deadline }
    }

    private let tick: Duration
    private let heap = Mutex(Heap<Entry>())
    private let filled: AsyncStream<Void>
    private let fill: AsyncStream<Void>.Continuation

    package init(tick: Duration = .milliseconds(20)) {
        self.tick = tick
        (self.filled, self.fill) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package func insert(_ element: Element, at deadline: ContinuousClock.Instant) {
        let wasEmpty = self.heap.withLock { heap in
            defer { heap.insert(Entry(deadline: deadline, element: element)) }
            return heap.isEmpty
        }
        if wasEmpty { self.fill.yield() }
    }

    /// Takes what is due.
    package func due(at now: ContinuousClock.Instant) -> [Element] {
        self.heap.withLock { heap in
            var elements: [Element] = []
            while let first = heap.min, first.deadline <= now {
                elements.append(heap.removeMin().element)
            }
            return elements
        }
    }

    /// Calls `report` with what is due, until the task is cancelled.
    ///
    /// Sleeps while there is nothing.
    package func run(_ report: ([Element]) -> Void) async {
        for await _ in self.filled {
            while let next = self.heap.withLock({ $0.min?.deadline }) {
                let wakeAt = min(next, .now + self.tick)
                do { try await Task.sleep(until: max(wakeAt, .now + .milliseconds(1)), clock: .continuous) } catch {
                    return
                }
                let due = self.due(at: .now)
                if !due.isEmpty { report(due) }
            }
        }
    }
}
