import Synchronization

/// Wakes the task that waits for something to do; what is raised while nobody waits is kept, once.
///
/// Not an `AsyncStream`: that ends for good when a task is cancelled which awaits it, and here one task comes after another.
package final class Signal: Sendable {
    private struct State {
        var isRaised = false
        /// Who waits; one at a time.
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    package init() {}

    package func raise() {
        let waiter = self.state.withLock { state in
            state.isRaised = state.waiter == nil
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Returns when it has been raised since the last time, or the task is cancelled.
    ///
    /// The closure captures the caller's isolation; without, it would run elsewhere, and come back.
    package func wait(isolation: isolated (any Actor)? = #isolation) async {
        await withTaskCancellationHandler {
            _ = isolation
            await withCheckedContinuation(isolation: isolation) { continuation in
                let mustWait = self.state.withLock { state in
                    guard !state.isRaised, !Task.isCancelled else {
                        state.isRaised = false
                        return false
                    }
                    precondition(state.waiter == nil, "two tasks wait for one signal")
                    state.waiter = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiter.take() }?.resume()
        }
    }
}
