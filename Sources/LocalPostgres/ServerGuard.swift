import Synchronization

/// Sees to it that a server doesn't outlive the process that started it.
enum ServerGuard {
    /// This process's guards, by the cluster's folder.
    private static let armed = Mutex<[String: ExitGuard]>([:])

    /// Stops the server under the lock of its starts: what a killed start has left running ends before, and nobody
    /// starts the server anew meanwhile.
    ///
    /// Where there is no `flock`, it stops what is there at once.
    ///
    /// Every start makes the endpoint's file anew: another file after the wait is that of a start which was faster.
    private static let script = """
        control=$1 data=$2 mode=$3 user=$4 group=$5 folder=$6 endpoint=$7
        shift 7
        file=$(ls -i "$endpoint")
        set_user=
        [ -z "$user" ] || set_user="setpriv --reuid=$user --regid=$group --clear-groups"
        {
            flock -w 60 4
            [ "$(ls -i "$endpoint")" = "$file" ] || exit
            $set_user "$control" stop -s -w -t 30 -D "$data" -m "$mode" \
                || $set_user "$control" stop -s -w -t 30 -D "$data" -m immediate
            [ $# -eq 0 ] || rm -rf -- "$@"
        } 4<"$folder"
        """

    /// Posts a guard for a server that is about to be started; a second one for the same folder is not needed and not
    /// made.
    ///
    /// - Returns: Whether there was none yet.
    /// - Throws: `.programFailed` when the shell can't be run; `.fileFailed`.
    static func arm(
        _ action: LocalPostgres.ExitAction,
        _ folder: ClusterFolder,
        at endpoint: Endpoint,
        programs: ServerPrograms,
        user: ServerUser?
    ) async throws(LocalPostgresError) -> Bool {
        let mode: LocalPostgres.StopMode
        let doomed: [String]
        switch action {
        case .keepRunning: return false
        case .stop: (mode, doomed) = (.fast, [])
        case .stopAndRemove: (mode, doomed) = (.immediate, [folder.path, endpoint.socketDirectory])
        }
        if armed.withLock({ $0[folder.path] != nil }) { return false }
        let identity = user.map { ["\($0.uid)", "\($0.gid)"] } ?? ["", ""]
        let server = [programs.control, folder.data, mode.rawValue] + identity
        let exitGuard = try await ExitGuard(running: script, server + [folder.path, folder.endpoint] + doomed)
        armed.withLock { $0[folder.path] = exitGuard }
        return true
    }

    /// Sends the guard of a folder away, if there is one.
    static func disarm(_ folder: ClusterFolder) {
        armed.withLock { $0.removeValue(forKey: folder.path) }?.disarm()
    }
}
