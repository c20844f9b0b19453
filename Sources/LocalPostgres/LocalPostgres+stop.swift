extension LocalPostgres {
    /// Stops the server and returns when it is gone; nothing happens when it doesn't run.
    ///
    /// Runs to its end even in a cancelled task.
    ///
    /// - Throws: `.stopFailed` when the server still runs after a minute.
    package func stop(_ mode: StopMode = .fast) async throws(LocalPostgresError) {
        try await uncancelled { () async throws(LocalPostgresError) in
            try await stopServer(mode)
            if case .stop = exitAction { ServerGuard.disarm(folder) }
        }
    }

    /// Stops the server if it runs, and starts it again on the same port and socket.
    package func restart(_ mode: StopMode = .fast) async throws(LocalPostgresError) {
        try await stop(mode)
        try await start()
    }

    /// Kills all of the server's processes with SIGKILL, as a power failure would; returns when they are gone.
    ///
    /// On other systems than Linux it kills the main process alone; the others notice.
    ///
    /// - Throws: `.notRunning`.
    package func kill() async throws(LocalPostgresError) {
        guard let postmaster = Postmaster(dataDirectory: folder.data) else { throw .notRunning(directory: directory) }
        try await uncancelled { () async throws(LocalPostgresError) in
            await postmaster.kill()
            if case .stop = exitAction { ServerGuard.disarm(folder) }
        }
    }

    /// Stops the server if it runs, and deletes the folder with all it holds.
    package func remove() async throws(LocalPostgresError) {
        try await uncancelled { () async throws(LocalPostgresError) in
            try await stopServer(.immediate)
            ServerGuard.disarm(folder)
            if let endpoint = try Endpoint.stored(in: folder) { try ClusterFolder.delete(endpoint.socketDirectory) }
            try ClusterFolder.delete(directory)
        }
    }

    private func stopServer(_ mode: StopMode) async throws(LocalPostgresError) {
        guard isRunning else { return }
        let user = try ServerUser.current(for: folder)
        let programs = try await ServerPrograms.find(version: folder.version())
        let arguments = ["stop", "-w", "-s", "-t", "60", "-D", folder.data, "-m", mode.rawValue]
        let outcome = try await Command(programs.control, arguments, as: user).run()
        if !outcome.succeeded, isRunning { throw .stopFailed(directory: directory, reason: outcome.lastLine) }
    }

    /// Runs `body` in a task of its own, since cancelling the caller's would kill the program that stops the server.
    func uncancelled<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(LocalPostgresError) -> Value
    ) async throws(LocalPostgresError) -> Value {
        let task = Task { () async -> Result<Value, LocalPostgresError> in
            do throws(LocalPostgresError) {
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }
        return try await task.value.get()
    }
}
