#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The living main process of a server.
struct Postmaster: Sendable {
    let pid: pid_t

    /// The process that the data directory's `postmaster.pid` names, nil when it doesn't live.
    init?(dataDirectory: String) {
        guard let pid = Self.recordedPID(in: dataDirectory) else { return nil }
        guard Self.isPostmaster(pid, of: dataDirectory) else { return nil }
        self.pid = pid
    }

    /// Kills the server as a power failure would: all of its processes, at once, without a last word.
    ///
    /// The main process is stopped first, so that it can't start another child meanwhile.
    func kill() async {
        _ = signal(pid, SIGSTOP)
        let family = [pid] + ProcessEntry.all().filter { $0.parent == pid }.map(\.pid)
        for member in family { _ = signal(member, SIGKILL) }
        while family.contains(where: Self.isServer) {
            // A killed process ends without telling anybody but its parent, which we are not.
            try? await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Removes the lock files of a dead server where its number is in use still: by itself, when its parent has not
    /// collected it yet, or never will, or by another process, such as after a power failure.
    ///
    /// PostgreSQL takes such a process for a living server and refuses to start.
    static func forgetDead(in folder: ClusterFolder, at endpoint: Endpoint) {
        guard let pid = recordedPID(in: folder.data), ProcessEntry(pid: pid) != nil else { return }
        guard !isPostmaster(pid, of: folder.data) else { return }
        unlink(folder.data + "/postmaster.pid")
        unlink("\(endpoint.socketDirectory)/.s.PGSQL.\(endpoint.port).lock")
    }

    private static func recordedPID(in dataDirectory: String) -> pid_t? {
        let text = try? String(contentsOfFile: dataDirectory + "/postmaster.pid", encoding: .utf8)
        return text?.split(separator: "\n").first.flatMap { pid_t($0) }
    }

    /// Whether the process lives and is the server of this data directory, in which that works, not one that got its
    /// number later.
    ///
    /// Where this process may not see where another one works, as root in a container without CAP_SYS_PTRACE, its name
    /// must do.
    private static func isPostmaster(_ pid: pid_t, of dataDirectory: String) -> Bool {
        var expected = stat()
        var actual = stat()
        guard stat(dataDirectory, &expected) == 0, stat("/proc/\(pid)/cwd", &actual) == 0 else { return isServer(pid) }
        return actual.st_dev == expected.st_dev && actual.st_ino == expected.st_ino
    }

    /// Whether the process lives and is PostgreSQL's.
    private static func isServer(_ pid: pid_t) -> Bool {
        #if os(Linux)
        guard let entry = ProcessEntry(pid: pid) else { return false }
        return entry.command == "postgres" && !entry.isZombie
        #else
        return signal(pid, 0) == 0 || errno == EPERM
        #endif
    }
}

/// The C library's `kill`, which the method of that name would hide.
private func signal(_ pid: pid_t, _ number: CInt) -> CInt { kill(pid, number) }
