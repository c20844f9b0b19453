import Synchronization

/// Nodes as labels: a node's name is a stranger's text, so there are so many of them and no more.
package final class NodeLabels: Sendable {
    /// The process's: all metrics name the same nodes.
    package static let shared = NodeLabels()

    /// Stands for the nodes that came when there were enough.
    package static let other = "other"

    private let most: Int
    private let known = Mutex<Set<String>>([])

    package init(most: Int = 100) {
        self.most = most
    }

    /// The node's own name, for the first that are asked for; `other` for those that come later.
    package func label(of node: String) -> String {
        self.known.withLock { known in
            if known.contains(node) { return node }
            guard known.count < self.most else { return Self.other }
            known.insert(node)
            return node
        }
    }
}
