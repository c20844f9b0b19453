import Synchronization
import SystemPackage

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A shell script that runs when this process ends, by a crash or by SIGKILL too.
///
/// A small shell, in a session of its own, reads from one end of a socket pair whose other end this process alone
/// holds. However this process ends, the shell then reads the end of the file and runs the script. A line instead of
/// the end sends the shell away. On a normal exit this process waits until the shell is through.
package struct ExitGuard: Sendable {
    /// This process's ends.
    private static let armed = Mutex<Set<CInt>>([])

    private static let waitAtExit: Void = {
        atexit { ExitGuard.processExits() }
    }()

    private let descriptor: CInt

    /// Posts a guard.
    ///
    /// - Parameters:
    ///   - script: For `/bin/sh`, in the folder `/`, with its outputs closed.
    ///   - arguments: The script's `$1` and so on.
    /// - Throws: `.programFailed` when the shell can't be run; `.fileFailed`.
    package init(running script: String, _ arguments: [String]) async throws(LocalPostgresError) {
        let (ours, theirs) = try Self.socketPair()
        descriptor = ours
        let waiting = """
            exec 3<&0 </dev/null
            (
            read -r line <&3 && exit
            \(script)
            ) >/dev/null 2>&1 &
            """
        let shell = Command("/bin/sh", ["-c", waiting, "sh"] + arguments, detached: true)
        do throws(LocalPostgresError) {
            try await shell.run(input: FileDescriptor(rawValue: theirs))
        } catch {
            disarm()
            throw error
        }
        Self.armed.withLock { _ = $0.insert(ours) }
        _ = Self.waitAtExit
    }

    /// Sends the guard away; to be called once.
    package func disarm() {
        Self.armed.withLock { _ = $0.remove(descriptor) }
        #if os(Linux)
        send(descriptor, "\n", 1, CInt(MSG_NOSIGNAL))
        #else
        send(descriptor, "\n", 1, 0)
        #endif
        close(descriptor)
    }

    /// Lets every guard do its work and waits for it: a guard's end of the pair closes when it is through.
    private static func processExits() {
        let descriptors = armed.withLock { Array($0) }
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
