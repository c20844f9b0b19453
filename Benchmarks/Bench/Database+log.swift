import Stage

extension Database {
    /// The settings with which a server keeps so many files of its log (WAL) that a load finds them there.
    static let roomyLog = ["min_wal_size": "2GB", "max_wal_size": "4GB"]

    /// Gives a server with a roomy log the files that it has when it has been in use.
    ///
    /// A new server makes each file while answers wait: 16 MiB of zeros and their flush, each 1.5 s at 7,000 calls a second.
    func makeLog() async throws {
        try await self.query(
            """
            do $$ begin
                for file in 1..pg_size_bytes(current_setting('min_wal_size')) / pg_size_bytes(current_setting('wal_segment_size')) loop
                    -- Of an empty file nothing is switched.
                    perform pg_logical_emit_message(false, '', '');
                    perform pg_switch_wal();
                end loop;
            end $$
            """,
            // Makes them the next ones.
            "checkpoint"
        )
    }
}
