import Synchronization

/// A few connections, made when they are first needed and lent to one user at a time.
package final class PostgresPool: Sendable {
    private struct State {
        var idle: [PostgresConnection] = []
        var lent = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    package let connector: PostgresConnector
    private let size: Int
    private let state = Mutex(State())

    package init(_ connector: PostgresConnector, size: Int) {
        precondition(size > 0, "a pool has at least one connection")
        self.connector = connector
        self.size = size
    }

    /// Lends a connection, waiting for one to come back where all are lent.
    ///
    /// A connection that failed meanwhile is thrown away. There is one try to connect: the caller knows how long it can
    /// wait.
    package func withConnection<R: Sendable>(
        _ body: (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        let connection = try await self.take()
        do throws(PostgresError) {
            let result = try await body(connection)
            self.giveBack(connection)
            return result
        } catch {
            self.giveBack(connection)
            throw error
        }
    }

    /// Carries out one call on any connection.
    @discardableResult
    package func execute(_ call: PostgresCall) async throws(PostgresError) -> PostgresRows {
        try await self.withConnection { connection throws(PostgresError) in try await connection.execute(call) }
    }

    /// How many connections nobody uses at this moment, and can.
    package var idle: Int { self.state.withLock { $0.idle.count(where: \.isOpen) } }

    /// Closes the connections that nobody uses.
    package func closeIdle() async {
        let idle = self.state.withLock { state in
            defer { state.idle = [] }
            return state.idle
        }
        for connection in idle { await connection.close() }
    }

    private func take() async throws(PostgresError) -> PostgresConnection {
        await self.waitForTurn()
        while let idle = self.state.withLock({ $0.idle.popLast() }) {
            if idle.isOpen { return idle }
        }
        do throws(PostgresError) {
            let connection = try await self.connector.connect()
            // So that it notices its end while nobody uses it.
            await connection.watch(onNotification: { _ in }, onClose: { _ in })
            return connection
        } catch {
            self.giveBack(nil)
            throw error
        }
    }

    /// Takes one of the `size` turns.
    ///
    /// Not cancellable: a turn is held for a few statements, each of which has its time, or for one try to connect.
    private func waitForTurn() async {
        await withCheckedContinuation { continuation in
            let isFree = self.state.withLock { state in
                if state.lent < self.size {
                    state.lent += 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func giveBack(_ connection: PostgresConnection?) {
        let next: CheckedContinuation<Void, Never>? = self.state.withLock { state in
            if let connection, connection.isOpen { state.idle.append(connection) }
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.lent -= 1
            return nil
        }
        next?.resume()
    }
}
