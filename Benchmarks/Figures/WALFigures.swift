/// What the server has written to its log since it was made.
struct WALFigures {
    let bytes: Double
    /// Nil where the server does not count them.
    let writes: Double?
    let flushes: Double?

    /// The statement that reads them; the counters moved in version 18, and are missing before 14.
    static func query(serverVersion: Int) -> String {
        let counters =
            switch serverVersion {
            case 180_000...: "(select sum(writes) || ' ' || sum(fsyncs) from pg_stat_io where object = 'wal')"
            case 140_000...: "(select wal_write || ' ' || wal_sync from pg_stat_wal)"
            default: "''"
            }
        return "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn || ' ' || \(counters)"
    }

    /// Reads the statement's answer.
    init?(_ text: String) {
        let values = text.split(separator: " ").compactMap { Double($0) }
        guard values.count == 1 || values.count == 3 else { return nil }
        self.bytes = values[0]
        (self.writes, self.flushes) = values.count == 3 ? (values[1], values[2]) : (nil, nil)
    }
}
