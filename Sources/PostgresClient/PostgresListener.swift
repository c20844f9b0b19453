/// A connection that is watched, and always there: made again when it breaks.
///
/// It reads its socket at all times: a listener that doesn't holds back the whole server's cleaning up.
package struct PostgresListener: Sendable {
    /// What happens on it, in order.
    package enum Event: Sendable {
        /// A connection is there, and `prepare` has run on it. What was notified in between is lost: look for yourself.
        case connected
        case notification(PostgresNotification)
        case disconnected(PostgresError)
    }

    private let connector: PostgresConnector

    package init(_ connector: PostgresConnector) {
        self.connector = connector
    }

    /// Keeps a connection until the task is cancelled, with jittered backoff between the tries.
    ///
    /// - Parameters:
    ///   - prepare: runs on each new connection before it counts as connected.
    ///   - onEvent: called on the connection's thread, or where `run` is; must not block.
    ///   - body: what else the connection is used for. Runs once for each; cancelled when it closes, and closes it when it
    ///     returns.
    package func run(
        prepare: @Sendable (PostgresConnection) async throws(PostgresError) -> Void = { _ in },
        onEvent: @escaping @Sendable (Event) -> Void,
        body: @escaping @Sendable (PostgresConnection) async -> Void = { _ in await Self.untilCancelled() }
    ) async {
        var backoff = Backoff()
        while !Task.isCancelled, let connection = await self.connector.connectPersistently() {
            let began = ContinuousClock.now
            do throws(PostgresError) {
                try await prepare(connection)
                await self.use(connection, onEvent, body)
                // A connection that fails at once, again and again, is not to be hammered.
                if ContinuousClock.now - began > .seconds(1) { backoff = Backoff() }
            } catch {
                onEvent(.disconnected(error))
            }
            await connection.close()
            try? await Task.sleep(for: backoff.next())
        }
    }

    /// Returns when the connection is closed, `body` has returned or the task is cancelled.
    private func use(
        _ connection: PostgresConnection,
        _ onEvent: @escaping @Sendable (Event) -> Void,
        _ body: @escaping @Sendable (PostgresConnection) async -> Void
    ) async {
        let (closed, continuation) = AsyncStream.makeStream(of: Never.self)
        onEvent(.connected)
        await connection.watch(
            onNotification: { onEvent(.notification($0)) },
            onClose: { error in
                onEvent(.disconnected(error))
                continuation.finish()
            }
        )
        await withDiscardingTaskGroup { group in
            group.addTask(executorPreference: connection.thread) {
                await body(connection)
                await connection.close()
            }
            for await _ in closed {}
            group.cancelAll()
        }
    }

    private static func untilCancelled() async {
        let (never, continuation) = AsyncStream.makeStream(of: Never.self)
        for await _ in never {}
        continuation.finish()
    }
}
