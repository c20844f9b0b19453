/// What a test waited for did not come.
package struct TestTimeout: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Waits until `condition` holds, asking again and again: for what there is no event to await.
///
/// - Throws: `TestTimeout` after `limit`, which is for a test that fails only.
package func eventually(
    _ what: String,
    within limit: Duration = .seconds(60),
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TestTimeout("not within \(limit): \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Events from any thread, taken in order.
package final class Mailbox<Element: Sendable>: Sendable {
    private let stream: AsyncStream<Element>
    private let continuation: AsyncStream<Element>.Continuation

    package init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

    package func send(_ element: Element) { self.continuation.yield(element) }

    /// The next one.
    ///
    /// - Throws: `TestTimeout` after `limit`, which is for a test that fails only.
    package func next(within limit: Duration = .seconds(60)) async throws -> Element {
        try await withThrowingTaskGroup(of: Element?.self) { group in
            group.addTask {
                var iterator = self.stream.makeAsyncIterator()
                return await iterator.next()
            }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            guard case let element?? = try await group.next() else { throw TestTimeout("nothing within \(limit)") }
            return element
        }
    }

    /// The next one for which `transform` has a value; the others are dropped.
    package func next<Value>(_ transform: (Element) -> Value?) async throws -> Value {
        while true {
            if let value = transform(try await self.next()) { return value }
        }
    }
}
