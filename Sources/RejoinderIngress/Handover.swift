import NIOCore
import Synchronization

/// Hands the calls that one turn of an event loop brings to the queue together.
///
/// Sent one by one they would make smaller batches.
final class Handover: Sendable {
    private let queue: any CallQueue
    private let isDue = Atomic(false)

    init(to queue: any CallQueue) {
        self.queue = queue
    }

    /// What has been entered goes on when this turn of the loop has read all that it brings.
    func end(turnOf eventLoop: any EventLoop) {
        guard !self.isDue.exchange(true, ordering: .acquiringAndReleasing) else { return }
        eventLoop.execute {
            self.isDue.store(false, ordering: .releasing)
            self.queue.send()
        }
    }
}
