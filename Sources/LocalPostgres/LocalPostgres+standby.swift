extension LocalPostgres {
    /// Makes a standby of this running server in a folder of its own, and starts it; it follows until it is promoted.
    ///
    /// Its users and their passwords are this server's: connect to it by the socket, or with this server's password.
    ///
    /// - Throws: `LocalPostgresError`, `.programFailed` where the copy can't be made.
    package func addStandby(
        directory: String,
        exitAction: ExitAction = .keepRunning
    ) async throws(LocalPostgresError) -> LocalPostgres {
        let standby = LocalPostgres(directory: directory, settings: settings, exitAction: exitAction)
        let user = try ServerUser.current(for: standby.folder)
        try standby.folder.prepare()
        try await user?.requireAccess(to: standby.folder)
        try standby.folder.give(directory, to: user, mode: 0o700)
        let programs = try await ServerPrograms.find(version: folder.version())
        let arguments = [
            "--dbname=\(try connectionString())", "--pgdata=\(standby.folder.data)", "--write-recovery-conf",
            "--wal-method=stream", "--checkpoint=fast", "--no-sync",
        ]
        try await Command(programs.client("pg_basebackup"), arguments, as: user, detached: true).runOrThrow()
        try await standby.start()
        return standby
    }

    /// Makes a standby a primary; returns when it takes writes.
    ///
    /// - Throws: `.programFailed`.
    package func promote() async throws(LocalPostgresError) {
        let user = try ServerUser.current(for: folder)
        let programs = try await ServerPrograms.find(version: folder.version())
        try await Command(programs.control, ["promote", "-w", "-s", "-D", folder.data], as: user).runOrThrow()
    }
}
