import Dispatch
import Synchronization

/// A thread for one attempt: whatever its handler blocks, it blocks for itself alone.
///
/// Swift's own pool has as many threads as there are cores, and never more: measured with two, two handlers that sleep
/// without `await` stop every other task of the process for as long. A serial dispatch queue gets a thread while it has
/// work, and none at rest; measured, up to 255 at once in a process, its connections' included.
final class HandlerThread: TaskExecutor {
    private let queue = DispatchQueue(label: "rejoinder.handler")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// The threads of attempts that have ended, for those to come.
final class HandlerThreads: Sendable {
    private let free = Mutex<[HandlerThread]>([])

    func take() -> HandlerThread { self.free.withLock { $0.popLast() } ?? HandlerThread() }

    func giveBack(_ thread: HandlerThread) { self.free.withLock { $0.append(thread) } }
}
