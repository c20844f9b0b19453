/// Runs an actor on a thread of its own, so that it may block there; while it has nothing to do, watches a socket.
///
/// One thread for both: what the socket brings is at once where it is worked on. (A dispatch queue with a thread beside it
/// that waits for the socket costs two more wake-ups of a thread for each notification, and libdispatch's own sources miss a
/// hang-up that comes with the last bytes.)
///
/// It is lent, too, to work that likely takes no time: on a thread of its own that costs two wake-ups more (measured at half
/// the throughput: 10 of 62 µs of CPU for each event, and a sixth of the median). Work that blocks after all keeps the
/// thread, and the actor goes on with another.
///
/// A task that prefers it as its task executor, too, is resumed straight on it. Otherwise each wait for a continuation,
/// within the actor's own methods, ends by way of a thread of Swift's pool (measured at one connection, two such waits in the
/// worker and one in the ingress: a tenth of a call's median, and a third of the worker's CPU).
package final class ConnectionThread: SerialExecutor, TaskExecutor {
    /// So long nobody is interrupted, even on a busy machine.
    package static let patience = Duration.milliseconds(20)

    private let loop: ThreadLoop

    /// Fails where no file descriptor is left.
    init?() {
        guard let bell = Bell() else { return nil }
        self.loop = ThreadLoop(bell)
        self.loop.start(.init(serial: self.asUnownedSerialExecutor(), task: self.asUnownedTaskExecutor()))
    }

    deinit {
        self.loop.stop()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        self.loop.enqueue(UnownedJob(job))
    }

    /// Without this, `assumeIsolated` on this very thread traps.
    package func checkIsolated() {
        precondition(self.loop.isCurrent, "not on the connection's thread")
    }

    /// Runs it on this thread between the actor's jobs, after what that was lent to before.
    package func lend(to work: @escaping @Sendable () -> Void) {
        self.loop.lend(to: work)
    }

    /// Returns when what the thread was lent to has had its turn: all of it, or a millisecond of it, or one that blocks.
    ///
    /// Only from the actor itself, which runs on in between.
    package func takeTurns() async {
        await withCheckedContinuation { self.loop.takeTurns($0) }
    }

    /// From now on calls `onInput` on this thread whenever there is something to read while no job runs, be it the end,
    /// until it returns false.
    ///
    /// Only on this thread, and once.
    func watch(_ socket: Int32, onInput: @escaping @Sendable () -> Bool) {
        self.loop.watch(socket, onInput: onInput)
    }

    /// Ends the watch, so that the socket can be closed; harmless without one.
    ///
    /// Only on this thread.
    func endWatch() {
        self.loop.endWatch()
    }
}
