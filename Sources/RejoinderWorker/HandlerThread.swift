import Dispatch
import Synchronization

/// A thread for one attempt: whatever its handler blocks, it blocks for itself alone.
///
/// Swift's own pool has as many threads as there are cores, and never more: measured with two, two handlers that sleep
/// without `await` stop every other task of the process for as long. A serial dispatch queue gets a thread while it has
/// work, and none at rest; measured, up to 255 at once in a process, its connections' included.
package final class HandlerThread: TaskExecutor {
    private enum First: Sendable {
        case none, awaited
        case kept(UnownedJob)
    }

    private let queue = DispatchQueue(label: "rejoinder.handler")
    /// The first part of a task that another thread begins.
    private let first = Mutex(First.none)

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isKept = self.first.withLock { first in
            guard case .awaited = first else { return false }
            first = .kept(job)
            return true
        }
        if !isKept { self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) } }
    }

    /// A task that begins when and where `begin` is called, which returns at its first wait; from there on it is here.
    ///
    /// With `Task.immediate` nobody could cancel it before that: its name is known only afterwards.
    func task(_ body: @escaping @Sendable () async -> Void) -> (task: Task<Void, Never>, begin: () -> Void) {
        self.first.withLock { $0 = .awaited }
        let task = Task(executorPreference: self, operation: body)
        let first = self.first.withLock { first in
            defer { first = .none }
            return first
        }
        return (task, { if case .kept(let job) = first { job.runSynchronously(on: self.asUnownedTaskExecutor()) } })
    }
}

/// The threads of attempts that have ended, for those to come.
final class HandlerThreads: Sendable {
    private let free = Mutex<[HandlerThread]>([])

    func take() -> HandlerThread { self.free.withLock { $0.popLast() } ?? HandlerThread() }

    func giveBack(_ thread: HandlerThread) { self.free.withLock { $0.append(thread) } }
}
