/// What the server has written to its log since it was made.
struct WALFigures {
    var bytes = 0.0
    var writes = 0.0
    var flushes = 0.0

    /// The statement that reads them; the counters moved in version 18, and are missing before 14.
    static func query(serverVersion: Int) -> String {
        let counters =
            switch serverVersion {
            case 180_000...: "(select sum(writes) || ' ' || sum(fsyncs) from pg_stat_io where object = 'wal')"
            case 140_000...: "(select wal_write || ' ' || wal_sync from pg_stat_wal)"
            default: "'0 0'"
            }
        return "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn || ' ' || \(counters)"
    }

    /// Reads the statement's answer.
    init?(_ text: String) {
        let values = text.split(separator: " ").compactMap { Double($0) }
        guard values.count == 3 else { return nil }
        (self.bytes, self.writes, self.flushes) = (values[0], values[1], values[2])
    }
}
