import Synchronization
import SystemPackage

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Sees to it that a server doesn't outlive the process that started it.
///
/// A small shell, in a session of its own, reads from one end of a socket pair whose other end this process alone
/// holds. However this process ends, the shell then reads the end of the file and stops the server. A line instead of
/// the end sends the shell away. On a normal exit this process waits until the shell is through.
enum ExitGuard {
    /// This process's ends, by the cluster's folder.
    private static let armed = Mutex<[String: CInt]>([:])

    private static let waitAtExit: Void = {
        atexit { ExitGuard.processExits() }
    }()

    private static let script = """
        exec 3<&0 </dev/null
        (
            read -r line <&3 && exit
            control=$1 data=$2 mode=$3 user=$4 group=$5
            shift 5
            set_user=
            [ -z "$user" ] || set_user="setpriv --reuid=$user --regid=$group --clear-groups"
            cd /
            $set_user "$control" stop -s -w -t 30 -D "$data" -m "$mode" \
                || $set_user "$control" stop -s -w -t 30 -D "$data" -m immediate
            [ $# -eq 0 ] || rm -rf -- "$@"
        ) >/dev/null 2>&1 &
        """

    /// Posts a guard for a running server; a second one for the same folder is not needed and not made.
    ///
    /// - Throws: `.programFailed` when the shell can't be run; `.fileFailed`.
    static func arm(
        _ action: LocalPostgres.ExitAction,
        folder: ClusterFolder,
        endpoint: Endpoint,
        programs: ServerPrograms,
        user: ServerUser?
    ) async throws(LocalPostgresError) {
        let mode: LocalPostgres.StopMode
        let doomed: [String]
        switch action {
        case .keepRunning: return
        case .stop: (mode, doomed) = (.fast, [])
        case .stopAndRemove: (mode, doomed) = (.immediate, [folder.path, endpoint.socketDirectory])
        }
        if armed.withLock({ $0[folder.path] != nil }) { return }
        let (ours, theirs) = try socketPair()
        let identity = user.map { ["\($0.uid)", "\($0.gid)"] } ?? ["", ""]
        let arguments = [programs.control, folder.data, mode.rawValue] + identity + doomed
        let shell = Command("/bin/sh", ["-c", script, "sh"] + arguments, detached: true)
        do throws(LocalPostgresError) {
            try await shell.run(input: FileDescriptor(rawValue: theirs))
        } catch {
            close(ours)
            throw error
        }
        armed.withLock { $0[folder.path] = ours }
        _ = waitAtExit
    }

    /// Sends the guard of a folder away, if there is one.
    static func disarm(_ folder: ClusterFolder) {
        guard let descriptor = armed.withLock({ $0.removeValue(forKey: folder.path) }) else { return }
        #if os(Linux)
        send(descriptor, "\n", 1, CInt(MSG_NOSIGNAL))
        #else
        send(descriptor, "\n", 1, 0)
        #endif
        close(descriptor)
    }

    /// Lets every guard do its work and waits for it: a guard's end of the pair closes when it is through.
    private static func processExits() {
        let descriptors = armed.withLock { $0.values.map(\.self) }
        for descriptor in descriptors { shutdown(descriptor, CInt(SHUT_WR)) }
        for descriptor in descriptors {
            var byte: UInt8 = 0
            _ = recv(descriptor, &byte, 1, 0)
        }
    }

    private static func socketPair() throws(LocalPostgresError) -> (ours: CInt, theirs: CInt) {
        var pair: [CInt] = [-1, -1]
        #if os(Linux)
        let status = socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &pair)
        #else
        let status = socketpair(AF_UNIX, SOCK_STREAM, 0, &pair)
        for descriptor in pair where status == 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        #endif
        guard status == 0 else { throw ClusterFolder.failure("socketpair") }
        var patience = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return (pair[0], pair[1])
    }
}
