import PostgresClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How much room is left where the database keeps its data, if that is on this host.
struct DiskCheck: Sendable {
    private static let name = "disk"
    /// Null where the login may not know, and where the server is on another host.
    private static let statement = PostgresStatement(
        name: "doctor disk",
        sql: """
            select case
                       when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory', true)
                   end,
                   inet_server_addr() is null or inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1',
                   'grant pg_monitor to ' || quote_ident(current_user)
            """
    )

    static func findings(on connection: PostgresConnection) async -> [Finding] {
        let rows: PostgresRows
        do throws(PostgresError) { rows = try await connection.execute(PostgresCall(Self.statement)) } catch {
            return [.failed(Self.name, "\(error)", isTimeout: error.isTimeout)]
        }
        guard rows.bool(0, 1) else { return [Finding(Self.name, .skipped, "the database is on another host")] }
        guard let folder = rows.optionalString(0, 0) else {
            return [Finding(Self.name, .skipped, "needs pg_monitor", remedy: rows.string(0, 2))]
        }
        var volume = statvfs()
        guard statvfs(folder, &volume) == 0, volume.f_blocks > 0 else {
            return [Finding(Self.name, .skipped, "the database's folder can't be seen from here")]
        }
        let unit = UInt64(volume.f_frsize)
        return [Self.finding(free: UInt64(volume.f_bavail) * unit, of: UInt64(volume.f_blocks) * unit, in: folder)]
    }

    static func finding(free: UInt64, of total: UInt64, in folder: String) -> Finding {
        let share = 100 * Double(free) / Double(total)
        let text = "\(free >> 20) MiB are free (\(share.rounded()) %) where the database is"
        let remedy = "df -h \(folder) # make room, or keep less: select rejoinder.set_retention('2 days')"
        if free < 256 << 20 || share < 1 { return Finding(Self.name, .broken, text, remedy: remedy) }
        if free < 2 << 30 || share < 5 { return Finding(Self.name, .warning, text, remedy: remedy) }
        return Finding(Self.name, .ok, text)
    }
}
