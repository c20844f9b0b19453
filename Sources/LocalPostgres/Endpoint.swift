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

/// Where a cluster listens and its superuser's TCP password; kept in the cluster's folder so that a restart changes
/// neither.
struct Endpoint: Codable, Sendable {
    var port: Int
    var socketDirectory: String
    let password: String

    /// The endpoint of an earlier start, nil when there was none.
    ///
    /// - Throws: `.notOurs` when this process may not read it.
    static func stored(in folder: ClusterFolder) throws(LocalPostgresError) -> Endpoint? {
        guard access(folder.endpoint, R_OK) == 0 else {
            if errno == EACCES { throw .notOurs(directory: folder.path) }
            return nil
        }
        guard let data = try? Data(contentsOf: URL(filePath: folder.endpoint)) else { return nil }
        return try? JSONDecoder().decode(Endpoint.self, from: data)
    }

    /// A first endpoint: a free port, a random password, the folder's own socket.
    static func fresh(in folder: ClusterFolder) -> Endpoint {
        let password = (0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
        return Endpoint(port: freePort(), socketDirectory: folder.socket, password: password)
    }

    /// Settles port and socket folder for a start: the requested port, else the one of the last start if it is free.
    ///
    /// - Throws: `.portTaken` for a requested one; `.fileFailed`.
    mutating func settle(port requested: Int?, in folder: ClusterFolder, user: ServerUser?) throws(LocalPostgresError) {
        if let requested {
            guard Self.isFree(requested) else { throw .portTaken(requested) }
            port = requested
        } else if !isFree {
            port = Self.freePort()
        }
        try settleSocketDirectory(in: folder, user: user)
    }

    /// Whether nobody listens on its port.
    var isFree: Bool { Self.isFree(port) }

    /// Remembers this endpoint in the folder.
    ///
    /// The file is the server's user's, who may start the cluster without root the next time.
    ///
    /// - Throws: `.fileFailed`.
    func store(in folder: ClusterFolder, for user: ServerUser?) throws(LocalPostgresError) {
        do {
            try JSONEncoder().encode(self).write(to: URL(filePath: folder.endpoint), options: .atomic)
        } catch {
            throw .fileFailed(path: folder.endpoint, reason: ClusterFolder.reason(of: error))
        }
        try folder.give(folder.endpoint, to: user, mode: 0o600)
    }

    /// The folder's own socket, unless its path is too long for a socket's address or would read as two hosts.
    private mutating func settleSocketDirectory(
        in folder: ClusterFolder,
        user: ServerUser?
    ) throws(LocalPostgresError) {
        let name = "/.s.PGSQL.65535"
        if folder.socket.utf8.count + name.utf8.count <= 103, !folder.socket.contains(",") {
            socketDirectory = folder.socket
            if mkdir(socketDirectory, 0o700) != 0, errno != EEXIST { throw ClusterFolder.failure(socketDirectory) }
        } else if socketDirectory == folder.socket || !Self.isPrivate(socketDirectory, of: user) {
            socketDirectory = try Self.temporaryDirectory()
        }
        try folder.give(socketDirectory, to: user, mode: 0o700)
    }

    /// Whether a folder in a public place is still the one that was made there, and not somebody else's.
    private static func isPrivate(_ path: String, of user: ServerUser?) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else { return false }
        return status.st_mode & S_IFMT == S_IFDIR && status.st_uid == user?.uid ?? geteuid()
    }

    private static func temporaryDirectory() throws(LocalPostgresError) -> String {
        var template = Array("/tmp/rejoinder-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) } != nil
        }
        guard made else { throw ClusterFolder.failure("/tmp") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A port below the range from which the system takes the local ports of outgoing connections: one of those could
    /// sit on the port while the server restarts.
    private static func freePort() -> Int {
        let candidates = (0..<100).lazy.map { _ in Int.random(in: 20_000..<32_000) }
        return candidates.first { isFree($0) } ?? 5432
    }

    private static func isFree(_ port: Int) -> Bool {
        guard let number = UInt16(exactly: port) else { return false }
        #if os(Linux)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var yes: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = number.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
    }
}
