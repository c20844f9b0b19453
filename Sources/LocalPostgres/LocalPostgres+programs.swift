extension LocalPostgres {
    /// What the server says, since its last start.
    package var log: String { folder.log }

    /// The path of one of PostgreSQL's client programs, such as psql or pgbench: the server's own where it has it.
    ///
    /// - Throws: `.programsNotFound`.
    package func client(_ name: String) async throws(LocalPostgresError) -> String {
        try await ServerPrograms.find(version: folder.version()).client(name)
    }
}
