extension LocalPostgres {
    /// Creates a database, as a copy of `template` when one is given.
    ///
    /// - Throws: `.notRunning`; `.programFailed` with PostgreSQL's message, such as for a name that exists.
    package func createDatabase(_ name: String, template: String? = nil) async throws(LocalPostgresError) {
        let options = template.map { ["--template=\($0)"] } ?? []
        try await runClient("createdb", options + ["--", name])
    }

    /// Drops a database, disconnecting whoever uses it; a missing one is no error.
    ///
    /// - Throws: `.notRunning`; `.programFailed` with PostgreSQL's message.
    package func dropDatabase(_ name: String) async throws(LocalPostgresError) {
        try await runClient("dropdb", ["--force", "--if-exists", "--", name])
    }

    private func runClient(_ name: String, _ arguments: [String]) async throws(LocalPostgresError) {
        guard isRunning, let endpoint = try Endpoint.stored(in: folder) else {
            throw .notRunning(directory: directory)
        }
        let user = try ServerUser.current(for: folder)
        let programs = try await ServerPrograms.find(version: folder.version())
        let server = ["--host=\(endpoint.socketDirectory)", "--port=\(endpoint.port)", "--username=postgres"]
        try await Command(programs.client(name), server + arguments, as: user).runOrThrow()
    }
}
