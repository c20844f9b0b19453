import DequeModule
import EventQueue
import Synchronization

/// Starts attempts that likely take no time one after the other on one thread: for a handler that only computes, a thread
/// of its own costs several times its work.
///
/// One that holds up the thread after all keeps it, and those behind it go on with another.
final class Starter: Sendable {
    /// So long nobody is interrupted, even on a busy machine.
    static let patience = Duration.milliseconds(20)

    private struct State {
        var waiting: Deque<@Sendable () -> Void> = []
        /// The thread that starts what waits; nil while nothing does.
        var thread: HandlerThread?
        /// When it began with the one that it is at.
        var since: ContinuousClock.Instant?
        var isWatched = false
        /// One that held up its thread has left others behind, which go on with another.
        var isHeldUp = false

        var isCaughtUp: Bool { self.thread == nil || self.isHeldUp }
    }

    private let state = Mutex(State())
    private let threads: HandlerThreads
    private let toWatch = Signal()
    private let progress = Signal()

    init(_ threads: HandlerThreads) {
        self.threads = threads
    }

    func start(_ work: @escaping @Sendable () -> Void) {
        let (thread, mustWatch) = self.state.withLock { state -> (HandlerThread?, Bool) in
            state.waiting.append(work)
            guard state.thread == nil else { return (nil, false) }
            defer { state.isWatched = true }
            return (self.replaceThread(&state), !state.isWatched)
        }
        if let thread { thread.run { self.work(on: thread) } }
        if mustWatch { self.toWatch.raise() }
    }

    /// Returns when all that was to be started has been, or one of them holds up the others; or the task is cancelled.
    ///
    /// One task at a time may wait.
    func caughtUp() async {
        while !Task.isCancelled, !self.state.withLock({ $0.isCaughtUp }) { await self.progress.wait() }
    }

    /// Sees to it that no attempt keeps others waiting, until the task is cancelled.
    func watch() async {
        while !Task.isCancelled {
            await self.toWatch.wait()
            while !Task.isCancelled, self.state.withLock({ $0.isWatched }) {
                try? await Task.sleep(for: Self.patience)
                self.look(at: .now)
            }
        }
    }

    private func look(at now: ContinuousClock.Instant) {
        let (isHeldUp, thread) = self.state.withLock { state -> (Bool, HandlerThread?) in
            guard state.thread != nil else {
                state.isWatched = false
                return (false, nil)
            }
            guard let since = state.since, now - since > Self.patience else { return (false, nil) }
            state.thread = nil
            state.isHeldUp = !state.waiting.isEmpty
            return (true, state.isHeldUp ? self.replaceThread(&state) : nil)
        }
        if let thread { thread.run { self.work(on: thread) } }
        if isHeldUp { self.progress.raise() }
    }

    private func replaceThread(_ state: inout State) -> HandlerThread {
        let thread = self.threads.take()
        state.thread = thread
        state.since = nil
        return thread
    }

    private func work(on thread: HandlerThread) {
        while let next = self.next(on: thread) { next() }
        self.threads.giveBack(thread)
        self.progress.raise()
    }

    /// Nil when there is nothing more to do on this thread.
    private func next(on thread: HandlerThread) -> (@Sendable () -> Void)? {
        self.state.withLock { state in
            guard state.thread === thread else { return nil }
            guard let next = state.waiting.popFirst() else {
                state.thread = nil
                state.isHeldUp = false
                return nil
            }
            state.since = .now
            return next
        }
    }
}
