extension LocalPostgres {
    /// Starts the server, making the cluster first when the folder is empty; returns when it accepts connections.
    ///
    /// A start that fails leaves no server behind, nor does one that is killed, unless the server is to keep running.
    /// The server has a session of its own, so that a Ctrl-C meant for this process doesn't reach it.
    ///
    /// - Throws: `LocalPostgresError`, `.alreadyRunning` and `.startFailed` among it.
    package func start() async throws(LocalPostgresError) {
        let user = try ServerUser.current(for: folder)
        try folder.prepare()
        let lock = try StartLock(folder)
        defer { lock.release() }
        if let postmaster = Postmaster(dataDirectory: folder.data) {
            throw .alreadyRunning(directory: directory, pid: postmaster.pid)
        }
        try await user?.requireAccess(to: folder)
        try folder.give(directory, to: user, mode: 0o700)

        let programs = try await ServerPrograms.find(version: folder.version())
        let isFirst = try !folder.holdsCluster()
        if isFirst { try folder.prepareUnfinishedData(for: user) }
        var endpoint = try Endpoint.stored(in: folder) ?? .fresh(in: folder)
        try endpoint.settle(port: requestedPort, in: folder, user: user)
        // Before initdb is given the password, which nobody would know after a start that is interrupted then.
        try endpoint.store(in: folder, for: user)
        // Before there is a guard, which would stop whatever process has the dead server's number by now.
        Postmaster.forgetDead(in: folder, at: endpoint)

        let isGuarded = try await ServerGuard.arm(exitAction, folder, at: endpoint, programs: programs, user: user)
        do throws(LocalPostgresError) {
            if isFirst { try await initialise(with: programs, as: user, password: endpoint.password, holding: lock) }
            try await launch(programs, as: user, at: &endpoint, holding: lock)
        } catch {
            if isGuarded { ServerGuard.disarm(folder) }
            throw error
        }
    }

    /// Makes the data directory under another name first, so that an interrupted start leaves no half of one.
    ///
    /// Only this step forgoes flushing to the disk: nothing is lost by making an empty cluster again.
    private func initialise(
        with programs: ServerPrograms,
        as user: ServerUser?,
        password: String,
        holding lock: StartLock
    ) async throws(LocalPostgresError) {
        let passwordFile = directory + "/password"
        try folder.write(password, to: passwordFile)
        try folder.give(passwordFile, to: user, mode: 0o600)
        defer { try? ClusterFolder.delete(passwordFile) }
        let arguments = [
            "--pgdata=\(folder.unfinishedData)", "--username=postgres", "--pwfile=\(passwordFile)",
            "--encoding=UTF8", "--no-locale", "--auth-local=trust", "--auth-host=scram-sha-256",
            "--no-sync",
        ]
        try await Command(programs.initdb, arguments, as: user, detached: true, holding: lock).runOrThrow()
        try ClusterFolder.rename(folder.unfinishedData, to: folder.data)
    }

    /// Launches the server where it is to be; elsewhere where somebody takes its port in the meantime, unless that was asked for.
    private func launch(
        _ programs: ServerPrograms,
        as user: ServerUser?,
        at endpoint: inout Endpoint,
        holding lock: StartLock
    ) async throws(LocalPostgresError) {
        for isLast in [false, false, true] {
            do throws(LocalPostgresError) {
                return try await launch(programs, as: user, at: endpoint, holding: lock)
            } catch {
                guard !isLast, requestedPort == nil, !endpoint.isFree else { throw error }
            }
            try endpoint.settle(port: nil, in: folder, user: user)
            try endpoint.store(in: folder, for: user)
        }
    }

    private func launch(
        _ programs: ServerPrograms,
        as user: ServerUser?,
        at endpoint: Endpoint,
        holding lock: StartLock
    ) async throws(LocalPostgresError) {
        try ClusterFolder.rename(folder.log, to: folder.previousLog)
        let options = serverOptions(at: endpoint).map(Self.shellQuoted).joined(separator: " ")
        let arguments = ["start", "-w", "-s", "-D", folder.data, "-l", folder.log, "-o", options]
        let command = Command(programs.control, arguments, as: user, detached: true, holding: lock)
        // Killed half-way, it would leave a server that nobody knows yet.
        let outcome = try await uncancelled { () async throws(LocalPostgresError) in try await command.run() }
        if outcome.succeeded { return }
        let logTail = folder.logTail()
        if isRunning { try await stop(.immediate) }
        throw .startFailed(log: folder.log, logTail: logTail.isEmpty ? [outcome.lastLine] : logTail)
    }

    private func serverOptions(at endpoint: Endpoint) -> [String] {
        var values = ["max_connections": "200"]
        values.merge(settings) { _, given in given }
        values["listen_addresses"] = "127.0.0.1"
        values["port"] = "\(endpoint.port)"
        values["unix_socket_directories"] = #""\#(endpoint.socketDirectory)""#
        return values.sorted { $0.key < $1.key }.flatMap { ["-c", "\($0.key)=\($0.value)"] }
    }

    /// `pg_ctl` hands the options to a shell.
    private static func shellQuoted(_ text: String) -> String {
        let pieces = text.split(separator: "'", omittingEmptySubsequences: false)
        return "'" + pieces.joined(separator: #"'\''"#) + "'"
    }
}
