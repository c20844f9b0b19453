import Synchronization

/// A metric's series by their labels, each looked up in the metrics system once.
package final class Series<Labels: Hashable & Sendable, Handle: Sendable>: Sendable {
    private let handles = Mutex<[Labels: Handle]>([:])
    private let make: @Sendable (Labels) -> Handle

    /// The labels must be bounded: what is made is kept.
    package init(_ make: @escaping @Sendable (Labels) -> Handle) {
        self.make = make
    }

    package subscript(labels: Labels) -> Handle {
        self.handles.withLock { handles in
            if let handle = handles[labels] { return handle }
            let handle = self.make(labels)
            handles[labels] = handle
            return handle
        }
    }
}
