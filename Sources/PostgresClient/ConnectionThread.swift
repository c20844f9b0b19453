import DequeModule
import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Runs an actor on a thread of its own, so that it may block there; while it has nothing to do, watches a socket.
///
/// One thread for both: what the socket brings is at once where it is worked on. (A dispatch queue with a thread beside it
/// that waits for the socket costs two more wake-ups of a thread for each notification, and libdispatch's own sources miss a
/// hang-up that comes with the last bytes.)
final class ConnectionThread: SerialExecutor {
    private let loop: Loop

    /// Fails where no file descriptor is left.
    init?(label: String) {
        guard let bell = Bell() else { return nil }
        self.loop = Loop(bell)
        DispatchQueue(label: label).async { [loop, executor = self.asUnownedSerialExecutor()] in loop.run(executor) }
    }

    deinit {
        self.loop.stop()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        self.loop.enqueue(UnownedJob(job))
    }

    /// Without this, `assumeIsolated` on this very thread traps.
    func checkIsolated() {
        precondition(self.loop.isCurrent, "not on the connection's thread")
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

/// What outlives the executor for as long as its thread does.
private final class Loop: Sendable {
    private struct State {
        var jobs: Deque<UnownedJob> = []
        var isAsleep = false
        var isStopped = false
    }

    private struct Watch {
        let socket: Int32
        let onInput: @Sendable () -> Bool
    }

    private let state = Mutex(State())
    private let watched = Mutex<Watch?>(nil)
    private let thread = Mutex<pthread_t?>(nil)
    private let bell: Bell

    init(_ bell: Bell) {
        self.bell = bell
    }

    var isCurrent: Bool { self.thread.withLock { $0.map { pthread_equal($0, pthread_self()) != 0 } ?? false } }

    func enqueue(_ job: UnownedJob) {
        self.wake { $0.jobs.append(job) }
    }

    func stop() {
        self.wake { $0.isStopped = true }
    }

    func watch(_ socket: Int32, onInput: @escaping @Sendable () -> Bool) {
        self.watched.withLock { $0 = Watch(socket: socket, onInput: onInput) }
    }

    func endWatch() {
        self.watched.withLock { $0 = nil }
    }

    func run(_ executor: UnownedSerialExecutor) {
        self.thread.withLock { $0 = pthread_self() }
        while true {
            let (jobs, isStopped) = self.state.withLock { state in
                state.isAsleep = state.jobs.isEmpty && !state.isStopped
                defer { state.jobs.removeAll(keepingCapacity: true) }
                return (state.jobs, state.isStopped)
            }
            for job in jobs { job.runSynchronously(on: executor) }
            if jobs.isEmpty {
                if isStopped { return }
                self.sleep()
            }
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let wasAsleep = self.state.withLock { state in
            change(&state)
            defer { state.isAsleep = false }
            return state.isAsleep
        }
        if wasAsleep { self.bell.ring() }
    }

    /// Returns when the bell has rung, or the socket has brought something, which is then dealt with.
    private func sleep() {
        let watch = self.watched.withLock { $0 }
        var descriptors = [pollfd(fd: self.bell.descriptor, events: Int16(POLLIN), revents: 0)]
        if let watch { descriptors.append(pollfd(fd: watch.socket, events: Int16(POLLIN), revents: 0)) }
        guard poll(&descriptors, nfds_t(descriptors.count), -1) > 0 else { return }
        self.state.withLock { $0.isAsleep = false }
        if descriptors[0].revents != 0 { self.bell.silence() }
        if let watch, descriptors[1].revents != 0, !watch.onInput() { self.endWatch() }
    }
}

/// A pipe whose reading end becomes readable when somebody rings.
private final class Bell: Sendable {
    let descriptor: Int32
    private let writer: Int32

    /// Fails where no file descriptor is left.
    init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (self.descriptor, self.writer) = (ends[0], ends[1])
    }

    deinit {
        close(self.descriptor)
        close(self.writer)
    }

    func ring() {
        var byte: UInt8 = 1
        // A full pipe rings already.
        _ = write(self.writer, &byte, 1)
    }

    func silence() {
        var bytes = [UInt8](repeating: 0, count: 16)
        while read(self.descriptor, &bytes, bytes.count) == bytes.count {}
    }
}
