import EventQueue
import PostgresClient

/// A check that one statement makes: each of its rows is a verdict, what is so, and what mends it.
struct QueryCheck: Sendable {
    let name: String
    /// Part of the short examination, when a process starts.
    let isQuick: Bool
    /// Asks for something in the schema "rejoinder".
    let needsSchema: Bool
    /// Views and functions that not every login may use, in the order in which PostgreSQL comes upon them.
    private let uses: [String]
    let statement: PostgresStatement

    private static let refusal = PostgresStatement(
        name: "doctor refusal",
        sql: String(decoding: PackageResources.refusal_sql, as: UTF8.self)
    )

    /// All of them, in the order in which they are told.
    static let all = [
        QueryCheck("version", PackageResources.version_sql, isQuick: true),
        QueryCheck("encoding", PackageResources.encoding_sql),
        QueryCheck("grants", PackageResources.grants_sql, isQuick: true, needsSchema: true),
        QueryCheck("drift", PackageResources.drift_sql, isQuick: true, needsSchema: true),
        QueryCheck("durability", PackageResources.durability_sql, isQuick: true),
        QueryCheck("synchronous standbys", PackageResources.standbys_sql),
        QueryCheck("log files", PackageResources.log_files_sql, needsSchema: true, uses: ["event", "id_at"]),
        QueryCheck("partitions", PackageResources.partitions_sql, isQuick: true, needsSchema: true),
        QueryCheck("connections", PackageResources.connections_sql),
        QueryCheck("login's settings", PackageResources.login_sql),
        QueryCheck("public schema", PackageResources.public_schema_sql),
        QueryCheck("server's log", PackageResources.server_log_sql),
        QueryCheck("snapshots", PackageResources.snapshots_sql),
        QueryCheck("prepared transactions", PackageResources.prepared_sql),
        QueryCheck("replication slots", PackageResources.slots_sql),
        QueryCheck("notifications", PackageResources.notifications_sql),
        QueryCheck("bloat", PackageResources.bloat_sql, needsSchema: true),
        QueryCheck("autovacuum", PackageResources.autovacuum_sql),
        QueryCheck("statistics", PackageResources.statistics_sql, needsSchema: true),
        QueryCheck(
            "workers",
            PackageResources.workers_sql,
            needsSchema: true,
            uses: ["id_at", "overview", "nodes", "workers"]
        ),
    ]

    private init(
        _ name: String,
        _ sql: [UInt8],
        isQuick: Bool = false,
        needsSchema: Bool = false,
        uses: [String] = []
    ) {
        self.name = name
        self.isQuick = isQuick
        self.needsSchema = needsSchema
        self.uses = uses
        self.statement = PostgresStatement(name: "doctor \(name)", sql: String(decoding: sql, as: UTF8.self))
    }

    /// What the database says; a login that may not ask is told what would allow it.
    func findings(on connection: PostgresConnection) async -> [Finding] {
        do throws(PostgresError) {
            if let refusal = try await self.refusal(on: connection) { return [self.refused(refusal)] }
            let rows = try await connection.execute(PostgresCall(self.statement))
            return (0..<rows.count).map { row in
                Finding(
                    self.name,
                    Finding.Verdict(rawValue: rows.string(row, 0)) ?? .broken,
                    rows.string(row, 1),
                    remedy: rows.optionalString(row, 2)
                )
            }
        } catch  where error.sqlState == PostgresError.insufficientPrivilege {
            return [self.refused(error.message)]
        } catch {
            return [.failed(self.name, "\(error)", isTimeout: error.isTimeout)]
        }
    }

    /// Why this login may not look; nil where it may.
    ///
    /// Asked first: to try it would leave an error in the server's log.
    private func refusal(on connection: PostgresConnection) async throws(PostgresError) -> String? {
        guard !self.uses.isEmpty else { return nil }
        var arguments = PostgresArguments()
        arguments.append(self.uses)
        let rows = try await connection.execute(PostgresCall(Self.refusal, arguments))
        return rows.count > 0 ? rows.string(0, 0) : nil
    }

    private func refused(_ reason: String) -> Finding {
        Finding(
            self.name,
            .skipped,
            "this login may not look: \(reason)",
            remedy: "rejoinder grant LOGIN \(QueueRole.reader.rawValue)"
        )
    }
}
