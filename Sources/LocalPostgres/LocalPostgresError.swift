/// Why a private cluster could not do what it was asked; each `description` is one line for a person.
package enum LocalPostgresError: Error, Hashable, Sendable {
    /// The server programs are not on this machine.
    case programsNotFound
    /// Run by root, and there is no system user to run the server as.
    case noSystemUser(name: String)
    /// The server's user can't enter `barrier`, a folder on the way to `directory`.
    case unreachable(directory: String, barrier: String, user: String)
    /// The folder holds something that is no cluster.
    case notACluster(directory: String)
    /// The folder belongs to somebody else.
    case notOurs(directory: String)
    /// The server runs already.
    case alreadyRunning(directory: String, pid: Int32)
    /// Another start of the same cluster is under way, or a guard ends what a killed process has started.
    case startUnderWay(directory: String)
    /// The requested port is in use.
    case portTaken(Int)
    /// The cluster was never started, or has been removed.
    case neverStarted(directory: String)
    /// The server is not running.
    case notRunning(directory: String)
    /// The server did not start; `logTail` holds the last lines of its log.
    case startFailed(log: String, logTail: [String])
    /// The server did not end in time.
    case stopFailed(directory: String, reason: String)
    /// A program failed.
    case programFailed(name: String, reason: String)
    /// The operating system refused an operation on a file.
    case fileFailed(path: String, reason: String)
}

extension LocalPostgresError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .programsNotFound:
            "PostgreSQL's server programs (initdb, postgres, pg_ctl) were not found: run 'apt-get install postgresql'"
        case .noSystemUser(let name):
            "PostgreSQL refuses to run as root, and there is no system user '\(name)': run 'apt-get install postgresql'"
        case .unreachable(let directory, let barrier, let user):
            "the system user '\(user)', as whom PostgreSQL runs, can't enter \(barrier) to reach \(directory): "
                + "choose another folder, such as one under /var/tmp, or run 'chmod o+x \(barrier)'"
        case .notACluster(let directory):
            "\(directory) is not empty and holds no PostgreSQL cluster: choose another folder, or empty this one"
        case .notOurs(let directory):
            "\(directory) belongs to another user: choose another folder, or run as its owner or as root"
        case .alreadyRunning(let directory, let pid):
            "PostgreSQL already runs in \(directory) (process \(pid)): end the program that started it, or, where that "
                + "is gone, run 'kill -INT \(pid)'"
        case .startUnderWay(let directory):
            "PostgreSQL is being started or stopped in \(directory) by another process: try again in a moment"
        case .portTaken(let port):
            "port \(port) on 127.0.0.1 is taken: choose another"
        case .neverStarted(let directory):
            "there is no PostgreSQL cluster in \(directory) yet: start it first"
        case .notRunning(let directory):
            "PostgreSQL does not run in \(directory): start it first"
        case .startFailed(let log, let logTail):
            "PostgreSQL did not start: \(Self.essence(of: logTail)) (log: \(log))"
        case .stopFailed(let directory, let reason):
            "PostgreSQL in \(directory) did not stop: \(reason)"
        case .programFailed(let name, let reason):
            "\(name) failed: \(reason)"
        case .fileFailed(let path, let reason):
            "\(path): \(reason)"
        }
    }

    /// The line that says most: the last fatal one, else the last.
    private static func essence(of logTail: [String]) -> String {
        logTail.last { $0.contains("FATAL:") || $0.contains("PANIC:") } ?? logTail.last ?? "it said nothing"
    }
}
