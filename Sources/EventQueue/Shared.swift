import Synchronization

/// State that an object shares with the closures it hands out, under a lock.
final class Shared<State: Sendable>: Sendable {
    private let state: Mutex<State>

    init(_ state: State) {
        self.state = Mutex(state)
    }

    func withLock<R: Sendable>(_ body: (inout sending State) throws -> sending R) rethrows -> R {
        try self.state.withLock(body)
    }
}
