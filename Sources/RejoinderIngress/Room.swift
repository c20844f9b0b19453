import Synchronization

/// Room for so many bytes, which many share.
final class Room: Sendable {
    private let size: Int
    private let taken = Atomic(0)

    init(of size: Int) {
        self.size = size
    }

    /// False when there is not so much left.
    func take(_ count: Int) -> Bool {
        // Not even where others have taken too much, and are about to give it back.
        if count == 0 { return true }
        guard self.taken.add(count, ordering: .relaxed).newValue > self.size else { return true }
        self.giveBack(count)
        return false
    }

    func giveBack(_ count: Int) {
        self.taken.subtract(count, ordering: .relaxed)
    }
}
