package import EventQueue

/// A worker's handlers, one per node, and at most one for all other nodes.
public struct Handlers: Sendable {
    private let byNode: [String: Handle]
    private let anyNode: Handle?
    let all: [Handle]

    /// Lists the handlers.
    ///
    /// Stops the program when there is none, or two are for the same node: that is a mistake in its source.
    public init(@HandlersBuilder _ handlers: () -> [Handle]) {
        self.all = handlers()
        precondition(!self.all.isEmpty, "a worker needs a handler")
        let catchAlls = self.all.filter { $0.nodes == nil }
        precondition(catchAlls.count <= 1, "there are two handlers for any node")
        self.anyNode = catchAlls.first
        let named = self.all.flatMap { handle in (handle.nodes ?? []).map { ($0, handle) } }
        self.byNode = Dictionary(named) { first, _ in
            preconditionFailure("there are two handlers for the node \(first.nodes?.joined(separator: ", ") ?? "")")
        }
    }

    /// The handler that serves a node; nil if none does.
    package func handle(for node: String) -> Handle? {
        self.byNode[node] ?? self.anyNode
    }

    /// The lanes that serve these handlers: one for each that has a concurrency of its own, one for all others with the
    /// same attempts and guarantee.
    package func lanes(slots: Int) -> [LaneOptions] {
        var groups: [[Handle]] = []
        for handle in self.all {
            let isAlike = { (group: [Handle]) in
                handle.options.concurrency == nil && group[0].options.concurrency == nil
                    && handle.options.mostAttempts == group[0].options.mostAttempts
                    && handle.options.atMostOnce == group[0].options.atMostOnce
            }
            if let index = groups.firstIndex(where: isAlike) {
                groups[index].append(handle)
            } else {
                groups.append([handle])
            }
        }
        return groups.map { group in
            let named = group.flatMap { $0.nodes ?? [] }
            let servesAny = group.contains { $0.nodes == nil }
            return LaneOptions(
                nodes: servesAny ? nil : named,
                excluding: servesAny ? self.byNode.keys.filter { !named.contains($0) }.sorted() : [],
                slots: group[0].options.concurrency ?? slots,
                maxAttempts: group[0].options.mostAttempts,
                atMostOnce: group[0].options.atMostOnce
            )
        }
    }
}

/// Lets handlers be listed one under the other.
@resultBuilder
public enum HandlersBuilder {
    /// One handler after the other.
    public static func buildBlock(_ handlers: [Handle]...) -> [Handle] { handlers.flatMap(\.self) }
    /// A single handler.
    public static func buildExpression(_ handler: Handle) -> [Handle] { [handler] }
    /// Handlers listed elsewhere.
    public static func buildExpression(_ handlers: [Handle]) -> [Handle] { handlers }
    /// A handler under a condition.
    public static func buildOptional(_ handlers: [Handle]?) -> [Handle] { handlers ?? [] }
    /// Either of two.
    public static func buildEither(first handlers: [Handle]) -> [Handle] { handlers }
    /// Either of two.
    public static func buildEither(second handlers: [Handle]) -> [Handle] { handlers }
    /// Handlers from a loop.
    public static func buildArray(_ handlers: [[Handle]]) -> [Handle] { handlers.flatMap(\.self) }
}
