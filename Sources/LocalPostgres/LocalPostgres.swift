/// A private PostgreSQL cluster, as a value: one folder with the data, the log and the socket of one server.
///
/// The folder is the only state, so that two values for the same folder, in one process or in two, mean the same
/// cluster. Run by root, the server works as the system user `postgres`, since PostgreSQL refuses root.
///
/// The superuser is `postgres`. Whoever may enter the folder may connect through the socket without a password; over
/// TCP, on 127.0.0.1 alone, the server asks for the random password that `connectionString` carries.
package struct LocalPostgres: Sendable {
    /// What becomes of the server when the process that started it ends, be it by a crash or by SIGKILL.
    package enum ExitAction: Sendable {
        /// The server runs on.
        case keepRunning
        /// The server is stopped, the folder stays.
        case stop
        /// The server is stopped at once and its folder deleted.
        case stopAndRemove
    }

    /// How running sessions are treated when the server stops.
    package enum StopMode: String, Sendable {
        /// Waits, for a minute at most, until every client has left.
        case smart
        /// Rolls open transactions back and disconnects the clients.
        case fast
        /// Leaves at once, as a crash would: the next start recovers from the log.
        case immediate
    }

    /// The folder, as an absolute path.
    package var directory: String { folder.path }

    /// Whether the server runs, whoever started it.
    package var isRunning: Bool { Postmaster(dataDirectory: folder.data) != nil }

    let folder: ClusterFolder
    let settings: [String: String]
    let requestedPort: Int?
    let exitAction: ExitAction

    /// Names a cluster; nothing is made or started before `start()`.
    ///
    /// - Parameters:
    ///   - directory: The cluster's folder: absent, empty, or made by an earlier start.
    ///   - settings: Server settings by name. `max_connections` is 200 when not given; all else is PostgreSQL's default.
    ///   - port: The TCP port on 127.0.0.1. When nil a free one, chosen at the first start and kept from then on.
    ///   - exitAction: What becomes of the server when this process ends.
    package init(
        directory: String,
        settings: [String: String] = [:],
        port: Int? = nil,
        exitAction: ExitAction = .keepRunning
    ) {
        self.folder = ClusterFolder(directory)
        self.settings = settings
        self.requestedPort = port
        self.exitAction = exitAction
    }
}
