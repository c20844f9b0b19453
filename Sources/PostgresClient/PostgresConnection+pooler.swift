package import Logging

extension PostgresConnection {
    private static let serverProcess = PostgresStatement(name: "server_process", sql: "select pg_backend_pid()")

    /// Throws where each transaction has another session.
    package static func requireSession(
        _ configuration: PostgresConfiguration,
        logger: Logger
    ) async throws(PostgresError) {
        guard try await self.lacksSession(configuration, logger: logger) else { return }
        throw PostgresError(
            .transactionPooled,
            "this address leads to a pooler that gives each transaction another session: "
                + "set REJOINDER_LISTEN_URL to PostgreSQL itself"
        )
    }

    /// Whether each transaction has another session: by way of a transaction pooler.
    ///
    /// PostgreSQL itself announces the process that then serves the connection. A pooler doesn't, and is found to pool by
    /// the transaction when two connections are served by one process, or one by two.
    package static func lacksSession(
        _ configuration: PostgresConfiguration,
        logger: Logger
    ) async throws(PostgresError) -> Bool {
        let first = try await self.connect(configuration.careful, logger: logger)
        let isPooled = try await self.isPooledByTransaction(first, configuration.careful, logger)
        await first.close()
        return isPooled
    }

    private static func isPooledByTransaction(
        _ first: PostgresConnection,
        _ configuration: PostgresConfiguration,
        _ logger: Logger
    ) async throws(PostgresError) -> Bool {
        let process = try await first.currentProcess()
        if await first.announcedProcess == process { return false }
        let second = try await self.connect(configuration, logger: logger)
        var served: (first: Set<Int32>, second: Set<Int32>) = ([process], [])
        // Others may take the free session in between, but hardly each time.
        for _ in 0..<10 {
            served.first.insert(try await first.currentProcess())
            do throws(PostgresError) {
                served.second.insert(try await second.currentProcess())
            } catch  where error.code == .timedOut {
                break  // No session is left for it: the first keeps its own.
            }
        }
        await second.close()
        return served.first.count > 1 || served.second.count > 1 || !served.first.isDisjoint(with: served.second)
    }

    private func currentProcess() throws(PostgresError) -> Int32 {
        try self.execute(PostgresCall(Self.serverProcess)).integer(0, 0)
    }
}
