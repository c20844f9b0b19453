import SystemPackage

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

/// The paths inside a cluster's folder, and what may be done to them.
struct ClusterFolder: Sendable {
    /// Absolute, without `.` and `..`.
    let path: String

    /// The server's data directory, complete as soon as it exists.
    var data: String { path + "/data" }
    /// Where a data directory is made before it takes its name; a leftover of an interrupted start.
    var unfinishedData: String { path + "/data.new" }
    /// What the server said since its last start.
    var log: String { path + "/log" }
    /// What it said before.
    var previousLog: String { path + "/log.old" }
    var endpoint: String { path + "/endpoint.json" }
    var socket: String { path + "/socket" }

    /// Every folder on the way, the root first.
    var ancestors: [String] {
        let parents = sequence(first: FilePath(path).removingLastComponent()) { $0.removingLastComponent() }
        return parents.prefix { $0.string != "/" }.map(\.string).reversed()
    }

    init(_ path: String) {
        let current = FilePath(FileManager.default.currentDirectoryPath)
        self.path = current.pushing(FilePath(path)).lexicallyNormalized().string
    }

    /// Whether a cluster is there.
    ///
    /// - Throws: `.notOurs` when this process may not look.
    func holdsCluster() throws(LocalPostgresError) -> Bool {
        if access(data + "/PG_VERSION", F_OK) == 0 { return true }
        if errno == EACCES { throw .notOurs(directory: path) }
        return false
    }

    /// The major version of the cluster, nil when there is none.
    func version() -> Int? {
        guard let text = try? String(contentsOfFile: data + "/PG_VERSION", encoding: .utf8) else { return nil }
        return text.split { !$0.isNumber }.first.flatMap { Int($0) }
    }

    /// Makes the folder when it is missing, and refuses one with foreign contents.
    func prepare() throws(LocalPostgresError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw .fileFailed(path: path, reason: "can't be made: \(Self.reason(of: error))")
        }
        guard let entries = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw .notOurs(directory: path)
        }
        if entries.isEmpty || entries.contains("data.new") { return }
        guard try holdsCluster() else { throw .notACluster(directory: path) }
    }

    /// Makes the folder for a new data directory, or empties the one that an interrupted start left.
    ///
    /// A first start puts it into the folder before anything else: by it `prepare` knows what such a start left.
    func prepareUnfinishedData(for user: ServerUser?) throws(LocalPostgresError) {
        if mkdir(unfinishedData, 0o700) != 0, errno != EEXIST { throw Self.failure(unfinishedData) }
        guard let entries = try? FileManager.default.contentsOfDirectory(atPath: unfinishedData) else {
            throw .notOurs(directory: path)
        }
        for entry in entries { try Self.delete(unfinishedData + "/" + entry) }
        try give(unfinishedData, to: user, mode: 0o700)
    }

    /// Gives a file or folder to the server's user; nil means that it is ours and stays so.
    func give(_ path: String, to user: ServerUser?, mode: mode_t) throws(LocalPostgresError) {
        if let user, chown(path, user.uid, user.gid) != 0 { throw Self.failure(path) }
        if chmod(path, mode) != 0 { throw Self.failure(path) }
    }

    /// Writes a small file, whole or not at all.
    ///
    /// - Throws: `.fileFailed`.
    func write(_ text: String, to path: String) throws(LocalPostgresError) {
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw .fileFailed(path: path, reason: "can't be written: \(Self.reason(of: error))")
        }
    }

    /// The last lines of the server's log.
    func logTail(lines: Int = 20) -> [String] {
        guard let bytes = try? Data(contentsOf: URL(filePath: log), options: .mappedIfSafe) else { return [] }
        let text = String(decoding: bytes.suffix(16_384), as: UTF8.self)
        return text.split(separator: "\n").suffix(lines).map { String($0) }
    }

    /// Deletes a file or folder with all it holds; a missing one is no error.
    static func delete(_ path: String) throws(LocalPostgresError) {
        guard access(path, F_OK) == 0 else { return }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw .fileFailed(path: path, reason: "can't be deleted: \(reason(of: error))")
        }
    }

    static func rename(_ source: String, to target: String) throws(LocalPostgresError) {
        guard access(source, F_OK) == 0 else { return }
        let status = source.withCString { source in
            target.withCString { target in systemRename(source, target) }
        }
        if status != 0 { throw failure(source) }
    }

    /// What the system said, in place of a file manager's long-winded error.
    static func reason(of error: any Error) -> String {
        guard let posix = (error as? CocoaError)?.underlying as? POSIXError else { return "\(error)" }
        return Errno(rawValue: posix.code.rawValue).description
    }

    /// The last system call's error, for `path`.
    static func failure(_ path: String) -> LocalPostgresError {
        .fileFailed(path: path, reason: Errno(rawValue: errno).description)
    }
}

/// The C library's `rename`, which the method of that name would hide.
private func systemRename(_ source: UnsafePointer<CChar>, _ target: UnsafePointer<CChar>) -> CInt {
    rename(source, target)
}
