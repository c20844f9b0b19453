import Logging
import ServiceLifecycle
import Synchronization

/// What a handler needs while it runs, with a life of its own, which a test may end before its time.
final class Resource: Service {
    struct Broken: Error {}

    private let opened = Mutex(false)
    private let ends = AsyncStream<String>.makeStream()

    var isOpen: Bool { self.opened.withLock { $0 } }

    /// Ends it: by an error where `how` is `fail`.
    func end(_ how: String) { self.ends.continuation.yield(how) }

    func run() async throws {
        self.opened.withLock { $0 = true }
        let how = await cancelWhenGracefulShutdown { await self.ends.stream.first { _ in true } }
        self.opened.withLock { $0 = false }
        Logger(label: "resource").info("resource closed")
        if how == "fail" { throw Broken() }
    }
}
