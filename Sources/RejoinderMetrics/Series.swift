package import Synchronization

/// A metric's series by their labels, each looked up in the metrics system once.
///
/// For a handful: they are searched one after the other, which takes less time than to hash a few texts. Inlinable, so that it
/// is compiled for the types that it is used with: this is run for each event.
package final class Series<Labels: Equatable & Sendable, Handle: Sendable>: Sendable {
    package let handles = Mutex<[(labels: Labels, handle: Handle)]>([])
    package let make: @Sendable (Labels) -> Handle

    /// The labels must be bounded: what is made is kept.
    package init(_ make: @escaping @Sendable (Labels) -> Handle) {
        self.make = make
    }

    @inlinable
    package subscript(labels: Labels) -> Handle {
        self.handles.withLock { handles in
            for known in handles where known.labels == labels { return known.handle }
            let handle = self.make(labels)
            handles.append((labels, handle))
            return handle
        }
    }
}

/// What is measured of each node, made for each node's label once; inlinable as `Series` is.
package final class NodeSeries<Handle: Sendable>: Sendable {
    package let handles = Mutex<[String: Handle]>([:])
    package let nodes: NodeLabels
    package let make: @Sendable (_ label: String) -> Handle

    /// - Parameters:
    ///   - nodes: which nodes have a label of their own; the process's unless given.
    ///   - make: called with the label.
    package init(_ nodes: NodeLabels = .shared, _ make: @escaping @Sendable (_ label: String) -> Handle) {
        self.nodes = nodes
        self.make = make
    }

    @inlinable
    package subscript(node: String) -> Handle {
        self.handles.withLock { handles in
            if let handle = handles[node] { return handle }
            let label = self.nodes.label(of: node)
            if let handle = handles[label] { return handle }
            let handle = self.make(label)
            handles[label] = handle
            return handle
        }
    }
}
