#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The system user as whom root runs the server's programs.
struct ServerUser: Sendable {
    let name: String
    let uid: uid_t
    let gid: gid_t

    /// Whom to run the server as: nil for oneself, unless one is root.
    ///
    /// For root it is the owner of the data directory when there is one, so that root may start a cluster that
    /// somebody made without it, and the system user `postgres` otherwise.
    ///
    /// - Throws: `.noSystemUser`.
    static func current(for folder: ClusterFolder) throws(LocalPostgresError) -> ServerUser? {
        guard geteuid() == 0 else { return nil }
        var status = stat()
        if stat(folder.data, &status) == 0, status.st_uid != 0 {
            return ServerUser(name: name(of: status.st_uid), uid: status.st_uid, gid: status.st_gid)
        }
        return try system("postgres")
    }

    /// Checks that the user can enter every folder on the way to `folder`.
    ///
    /// - Throws: `.unreachable`, naming the first that it can't.
    func requireAccess(to folder: ClusterFolder) async throws(LocalPostgresError) {
        let script = #"for each; do [ -x "$each" ] || { printf %s "$each"; exit 1; }; done"#
        let check = Command("/bin/sh", ["-c", script, "sh"] + folder.ancestors, as: self)
        let outcome = try await check.run()
        guard outcome.succeeded else {
            throw .unreachable(directory: folder.path, barrier: outcome.output, user: name)
        }
    }

    private static func system(_ name: String) throws(LocalPostgresError) -> ServerUser {
        var entry = passwd()
        let found = withScratch { scratch, size in
            var result: UnsafeMutablePointer<passwd>?
            return getpwnam_r(name, &entry, scratch, size, &result) == 0 && result != nil
        }
        guard found else { throw .noSystemUser(name: name) }
        return ServerUser(name: name, uid: entry.pw_uid, gid: entry.pw_gid)
    }

    private static func name(of uid: uid_t) -> String {
        var entry = passwd()
        return withScratch { scratch, size in
            var result: UnsafeMutablePointer<passwd>?
            guard getpwuid_r(uid, &entry, scratch, size, &result) == 0, result != nil else { return "\(uid)" }
            return String(cString: entry.pw_name)
        }
    }

    /// Room for the strings of a password entry, which are valid inside `body` only.
    private static func withScratch<T>(_ body: (UnsafeMutablePointer<CChar>, Int) -> T) -> T {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("a buffer of 16 KiB has an address") }
            return body(base, buffer.count)
        }
    }
}
