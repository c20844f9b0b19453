import EventQueue
import PostgresClient

/// A check that one statement makes: each of its rows is a verdict, what is so, and what mends it.
struct QueryCheck: Sendable {
    let name: String
    /// Part of the short examination, when a process starts.
    let isQuick: Bool
    /// Asks for something in the schema "rejoinder".
    let needsSchema: Bool
    let statement: PostgresStatement

    /// All of them, in the order in which they are told.
    static let all = [
        QueryCheck("version", PackageResources.version_sql, isQuick: true),
        QueryCheck("encoding", PackageResources.encoding_sql),
        QueryCheck("grants", PackageResources.grants_sql, isQuick: true, needsSchema: true),
        QueryCheck("drift", PackageResources.drift_sql, isQuick: true, needsSchema: true),
        QueryCheck("durability", PackageResources.durability_sql, isQuick: true),
        QueryCheck("synchronous standbys", PackageResources.standbys_sql),
        QueryCheck("log files", PackageResources.log_files_sql, needsSchema: true),
        QueryCheck("partitions", PackageResources.partitions_sql, isQuick: true, needsSchema: true),
        QueryCheck("connections", PackageResources.connections_sql),
        QueryCheck("login's settings", PackageResources.login_sql),
        QueryCheck("snapshots", PackageResources.snapshots_sql),
        QueryCheck("prepared transactions", PackageResources.prepared_sql),
        QueryCheck("replication slots", PackageResources.slots_sql),
        QueryCheck("notifications", PackageResources.notifications_sql),
        QueryCheck("bloat", PackageResources.bloat_sql, needsSchema: true),
        QueryCheck("autovacuum", PackageResources.autovacuum_sql),
        QueryCheck("statistics", PackageResources.statistics_sql, needsSchema: true),
        QueryCheck("workers", PackageResources.workers_sql, needsSchema: true),
    ]

    private init(_ name: String, _ sql: [UInt8], isQuick: Bool = false, needsSchema: Bool = false) {
        self.name = name
        self.isQuick = isQuick
        self.needsSchema = needsSchema
        self.statement = PostgresStatement(name: "doctor \(name)", sql: String(decoding: sql, as: UTF8.self))
    }

    /// What the database says; a login that may not ask is told what would allow it.
    func findings(on connection: PostgresConnection) async -> [Finding] {
        do throws(PostgresError) {
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
            return [
                Finding(
                    self.name,
                    .skipped,
                    "this login may not look: \(error.message)",
                    remedy: "rejoinder grant LOGIN \(QueueRole.reader.rawValue)"
                )
            ]
        } catch {
            return [Finding(self.name, .skipped, "could not be looked at: \(error)")]
        }
    }
}
