package import DequeModule
package import HeapModule
package import Synchronization

/// Tells when instants have come, for any number of elements, with one sleeping task.
///
/// Nothing is taken out early: whoever is done before its instant is reported all the same, and ignored by the receiver.
/// So elements should be small. What runs for each is inlinable, since other modules' elements would else be handled by
/// unspecialized code, which took a twentieth of a worker's time.
package final class DeadlineQueue<Element: Sendable>: Sendable {
    package struct Entry: Comparable {
        package let deadline: ContinuousClock.Instant
        package let element: Element

        @inlinable
        package init(deadline: ContinuousClock.Instant, element: Element) {
            self.deadline = deadline
            self.element = element
        }

        @inlinable
        package static func < (left: Self, right: Self) -> Bool { left.deadline < right.deadline }
        @inlinable
        package static func == (left: Self, right: Self) -> Bool { left.deadline == right.deadline }
    }

    package struct State {
        /// Those that came in the order of their instants, as nearly all do: each is as far off as the one before it was.
        package var inOrder: Deque<Entry> = []
        /// The others.
        package var others = Heap<Entry>()
        /// Ends the sleep until the earliest deadline; nil while nobody sleeps.
        package var sleep: Task<Void, Never>?
        package var wakesAt: ContinuousClock.Instant?

        @inlinable
        package mutating func insert(_ entry: Entry) {
            if let last = self.inOrder.last, entry < last {
                self.others.insert(entry)
            } else {
                self.inOrder.append(entry)
            }
        }

        /// The earliest of all.
        @inlinable
        package var first: Entry? {
            guard let other = self.others.min else { return self.inOrder.first }
            return self.inOrder.first.map { min($0, other) } ?? other
        }

        @inlinable
        package mutating func removeFirst() {
            if let other = self.others.min, self.inOrder.first.map({ other < $0 }) ?? true {
                self.others.removeMin()
            } else {
                self.inOrder.removeFirst()
            }
        }
    }

    /// Reports are at least so far apart, so that deadlines which come one after the other are reported together.
    private let spacing: Duration
    package let state = Mutex(State())

    package init(spacing: Duration = .milliseconds(20)) {
        self.spacing = spacing
    }

    @inlinable
    package func insert(_ element: Element, at deadline: ContinuousClock.Instant) {
        let sleep: Task<Void, Never>? = self.state.withLock { state in
            state.insert(Entry(deadline: deadline, element: element))
            guard let wakesAt = state.wakesAt, deadline < wakesAt else { return nil }
            state.wakesAt = nil
            return state.sleep
        }
        sleep?.cancel()
    }

    /// Takes what is due.
    @inlinable
    package func due(at now: ContinuousClock.Instant) -> [Element] {
        self.state.withLock { state in
            var elements: [Element] = []
            while let first = state.first, first.deadline <= now {
                elements.append(first.element)
                state.removeFirst()
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
            let wakesAt = state.first?.deadline ?? .now + .seconds(24 * 3600)
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
