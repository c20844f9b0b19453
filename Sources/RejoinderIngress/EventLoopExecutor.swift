import NIOCore

/// Runs tasks on one event loop, so that a call's steps don't hop between the network's thread and Swift's pool.
///
/// Each hop wakes a thread, which costs more than all that the ingress does for a call.
final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
