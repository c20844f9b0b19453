import Dispatch

/// Runs an actor on a serial queue of its own, so that it may block there: no thread of the cooperative pool waits.
final class QueueExecutor: SerialExecutor {
    let queue: DispatchQueue

    init(label: String) {
        self.queue = DispatchQueue(label: label)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = self.asUnownedSerialExecutor()
        self.queue.async { job.runSynchronously(on: executor) }
    }

    /// Without this, `assumeIsolated` on this very queue traps.
    func checkIsolated() {
        dispatchPrecondition(condition: .onQueue(self.queue))
    }
}
