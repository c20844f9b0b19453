/// The one connection of a process that listens.
///
/// It reads its socket at all times: a listener that doesn't holds back the whole server's cleaning up.
package struct PostgresListener: Sendable {
    /// What happens on it, in order.
    package enum Event: Sendable {
        /// A connection is there, and `prepare` has run on it. What was notified in between is lost: look for yourself.
        case connected(PostgresConnection)
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
    ///   - prepare: runs on each new connection before it counts as connected; listens to what it wants to hear.
    ///   - onEvent: called on the connection's queue; must not block.
    package func run(
        prepare: @Sendable (PostgresConnection) async throws(PostgresError) -> Void,
        onEvent: @escaping @Sendable (Event) -> Void
    ) async {
        var backoff = Backoff()
        while !Task.isCancelled, let connection = await self.connector.connectPersistently() {
            do throws(PostgresError) {
                try await prepare(connection)
                backoff = Backoff()
            } catch {
                await connection.close()
                onEvent(.disconnected(error))
                try? await Task.sleep(for: backoff.next())
                continue
            }
            await self.watch(connection, onEvent)
            await connection.close()
        }
    }

    /// Returns when the connection is closed, or the task cancelled.
    private func watch(_ connection: PostgresConnection, _ onEvent: @escaping @Sendable (Event) -> Void) async {
        let (closed, continuation) = AsyncStream.makeStream(of: Never.self)
        onEvent(.connected(connection))
        await connection.watch(
            onNotification: { onEvent(.notification($0)) },
            onClose: { error in
                onEvent(.disconnected(error))
                continuation.finish()
            }
        )
        for await _ in closed {}
    }
}
