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

/// What a connection's thread does; it outlives the executor for as long as the thread does.
final class ThreadLoop: Sendable {
    /// So long the actor's jobs wait for what the thread is lent to.
    private static let turn = Duration.milliseconds(1)

    private struct State {
        var jobs: Deque<UnownedJob> = []
        var lentTo: Deque<@Sendable () -> Void> = []
        /// Who takes turns with what the thread is lent to.
        var waiting: [CheckedContinuation<Void, Never>] = []
        /// Since when the thread has been with one of these.
        var lentSince: ContinuousClock.Instant?
        /// Somebody looks now and then whether one of these blocks.
        var isSupervised = false
        /// How many threads were lost to what blocked them.
        var generation = 0
        var isAsleep = false
        var isStopped = false

        /// The turn ends a moment after its first work has begun.
        mutating func next(_ generation: Int, until end: inout ContinuousClock.Instant?) -> Next {
            guard self.generation == generation else { return .lost }
            self.lentSince = nil
            guard !self.lentTo.isEmpty else { return .over(self.takeWaiting()) }
            let now = ContinuousClock.now
            if let end, now >= end { return .over(self.takeWaiting()) }
            end = end ?? now + ThreadLoop.turn
            self.lentSince = now
            defer { self.isSupervised = true }
            return .work(self.lentTo.removeFirst(), isSupervised: self.isSupervised)
        }

        mutating func takeWaiting() -> [CheckedContinuation<Void, Never>] {
            defer { self.waiting = [] }
            return self.waiting
        }
    }

    /// What the thread does in what is left of a turn.
    private enum Next {
        case work(@Sendable () -> Void, isSupervised: Bool)
        case over([CheckedContinuation<Void, Never>])
        case lost
    }

    private struct Watch {
        let socket: Int32
        let onInput: @Sendable () -> Bool
    }

    /// The one whose jobs these are, in both its forms: as the actor's, and as that of tasks that prefer it.
    struct Executors {
        let serial: UnownedSerialExecutor
        let task: UnownedTaskExecutor
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

    func lend(to work: @escaping @Sendable () -> Void) {
        self.wake { $0.lentTo.append(work) }
    }

    func takeTurns(_ continuation: CheckedContinuation<Void, Never>) {
        self.wake { $0.waiting.append(continuation) }
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

    /// Not on one of libdispatch's threads: handlers that block may have taken them all, just when a connection is made again.
    func start(_ executors: Executors, generation: Int = 0) {
        Detached.run { self.run(executors, generation) }
    }

    private func run(_ executors: Executors, _ generation: Int) {
        self.thread.withLock { $0 = pthread_self() }
        while true {
            let (jobs, isIdle, isStopped) = self.state.withLock { state in
                let isIdle = state.jobs.isEmpty && state.lentTo.isEmpty && state.waiting.isEmpty
                state.isAsleep = isIdle && !state.isStopped
                defer { state.jobs.removeAll(keepingCapacity: true) }
                return (state.jobs, isIdle, state.isStopped)
            }
            for job in jobs { job.runSynchronously(isolatedTo: executors.serial, taskExecutor: executors.task) }
            if isIdle {
                if isStopped { return }
                self.sleep()
            } else {
                guard self.giveTurn(executors, generation) else { return }
            }
        }
    }

    /// Runs what the thread is lent to, until there is no more of it or the turn is over.
    ///
    /// - Returns: false when the thread is no longer the loop's, which has gone on with another.
    private func giveTurn(_ executors: Executors, _ generation: Int) -> Bool {
        var end: ContinuousClock.Instant?
        while true {
            switch self.state.withLock({ $0.next(generation, until: &end) }) {
            case .work(let work, let isSupervised):
                if !isSupervised { self.superviseLater(executors) }
                work()
            case .over(let waiting):
                for continuation in waiting { continuation.resume() }
                return true
            case .lost:
                return false
            }
        }
    }

    private func superviseLater(_ executors: Executors) {
        let patience = DispatchTimeInterval.milliseconds(Int(ConnectionThread.patience / .milliseconds(1)))
        // Not on the threads of Swift's tasks, which a program may block.
        DispatchQueue.global(qos: .userInitiated).asyncAfter(deadline: .now() + patience) { self.supervise(executors) }
    }

    /// Goes on with another thread where one is lost.
    private func supervise(_ executors: Executors) {
        let (isSupervised, waiting, generation) = self.state.withLock { state in
            state.isSupervised = state.lentSince != nil || !state.lentTo.isEmpty
            guard let since = state.lentSince, .now - since > ConnectionThread.patience else {
                return (state.isSupervised, [CheckedContinuation<Void, Never>](), Int?.none)
            }
            state.lentSince = nil
            state.generation += 1
            return (state.isSupervised, state.takeWaiting(), state.generation)
        }
        for continuation in waiting { continuation.resume() }
        if let generation { self.start(executors, generation: generation) }
        if isSupervised { self.superviseLater(executors) }
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
