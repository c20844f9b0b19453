import Stage

extension Database {
    /// What it has written to its log so far.
    func wal() async throws -> WALFigures {
        let answer = try await self.query(WALFigures.query(serverVersion: self.version))
        guard let figures = WALFigures(answer) else { throw StageError("pg_stat_wal gave \"\(answer)\"") }
        return figures
    }

    /// The CPU time of the server, all of its processes.
    var cpu: Duration { ProcessFigures.cpu(ofFamily: self.postmaster) }
}
