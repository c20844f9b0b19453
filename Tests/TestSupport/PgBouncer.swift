import Subprocess
import SystemPackage
import Testing

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

/// A real PgBouncer in front of a test's database, in a folder of its own, reached by a socket there.
package enum PgBouncer {
    package enum Mode: String, Sendable { case session, transaction }

    private static var program: String? {
        ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"].first {
            access($0, X_OK) == 0
        }
    }

    /// Runs `body` with the database as it is reached by way of PgBouncer.
    ///
    /// Where there is none, the test is left out, but fails in CI.
    package static func with(
        _ mode: Mode,
        _ database: TestDatabase,
        sessions: Int = 3,
        _ body: (_ pooled: TestDatabase) async throws -> Void
    ) async throws {
        guard let program = self.program else {
            guard getenv("CI") == nil else { throw TestTimeout("there is no pgbouncer: Scripts/install-dependencies") }
            try Test.cancel("there is no pgbouncer")
        }
        let folder = "/tmp/rejoinder-pgbouncer-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // It refuses to run as root, and comes down to this user by itself.
        let isRoot = geteuid() == 0
        if isRoot, let user = getpwnam("postgres") { chown(folder, user.pointee.pw_uid, user.pointee.pw_gid) }
        let server = try await database.query(
            "select trim(current_setting('unix_socket_directories'), '\"'), current_setting('port'), current_database()::text"
        )[0].compactMap(\.self)
        let settings = """
            [databases]
            * = host=\(server[0]) port=\(server[1]) user=postgres
            [pgbouncer]
            unix_socket_dir = \(folder)
            listen_port = 6432
            auth_type = any
            pool_mode = \(mode.rawValue)
            default_pool_size = \(sessions)
            max_client_conn = 200
            """
        try Data(settings.utf8).write(to: URL(filePath: folder + "/pgbouncer.ini"))
        let arguments = (isRoot ? ["-u", "postgres"] : []) + ["-q", folder + "/pgbouncer.ini"]
        _ = try await Subprocess.run(
            .path(FilePath(program)),
            arguments: Arguments(arguments),
            input: .none,
            output: .discarded,
            error: .discarded
        ) { execution in
            let pooled = TestDatabase(
                url: "postgres://postgres@/\(server[2])?host=\(folder)&port=6432",
                directURL: database.url
            )
            defer { kill(execution.processIdentifier.value, SIGTERM) }
            try await eventually("PgBouncer is there") { self.listens(at: folder + "/.s.PGSQL.6432") }
            try await body(pooled)
        }
    }

    /// Its socket is there before it listens.
    private static func listens(at path: String) -> Bool {
        #if canImport(Glibc)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
