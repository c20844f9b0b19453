import UnixSignals

/// The work was ended by SIGINT, SIGTERM or SIGHUP.
package struct Interrupted: Error {}

/// Cancels the work on such a signal, so that it ends all that it has started.
///
/// - Throws: `Interrupted` once it has.
package func endingOnSignals<Result: Sendable>(
    _ work: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
    return try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            for await _ in signals { return nil }
            return nil
        }
        defer { group.cancelAll() }
        if case let result?? = try await group.next() { return result }
        group.cancelAll()
        while let end = await group.nextResult() { _ = end }
        throw Interrupted()
    }
}
