package import PostgresClient

/// What one wants to see of the queue at a glance, as tables of text.
package struct QueueStatus: Sendable {
    package struct Table: Sendable {
        package let title: String
        /// Shown where there are no rows.
        package let empty: String
        package let columns: [String]
        package let rows: [[String]]
    }

    private let connection: PostgresConnection

    package init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    /// The queue by node, the live workers, and the last failures.
    package func tables(failures: Int = 5) async throws(QueueError) -> [Table] {
        var limit = PostgresArguments()
        limit.append(Int64(failures))
        return [
            try await self.table("Nodes", "no event yet", PostgresCall(Statements.statusOverview)),
            try await self.table(
                "Workers",
                "none: calls will end with no_worker",
                PostgresCall(Statements.statusWorkers)
            ),
            try await self.table("Last failures", "none", PostgresCall(Statements.statusFailures, limit)),
        ]
    }

    private func table(_ title: String, _ empty: String, _ call: PostgresCall) async throws(QueueError) -> Table {
        do throws(PostgresError) {
            let rows = try await self.connection.execute(call)
            return Table(
                title: title,
                empty: empty,
                columns: (0..<rows.columns).map { rows.name(ofColumn: $0) },
                rows: (0..<rows.count).map { row in (0..<rows.columns).map { rows.string(row, $0) } }
            )
        } catch {
            throw QueueError(error)
        }
    }
}
