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

/// The folder of PostgreSQL's server programs.
struct ServerPrograms: Sendable {
    let directory: String

    var initdb: String { directory + "/initdb" }
    var control: String { directory + "/pg_ctl" }

    /// A client program: the server's own, else the first in `PATH`.
    func client(_ name: String) -> String {
        let own = directory + "/" + name
        if access(own, X_OK) == 0 { return own }
        return Self.searchPath().map { $0 + "/" + name }.first { access($0, X_OK) == 0 } ?? own
    }

    /// Looks in the folder that `REJOINDER_POSTGRES_BIN` names, else in Debian's folder for the version that a cluster asks
    /// for, in `PATH`, in Debian's folders, the newest version first, and where `pg_config` says.
    ///
    /// - Throws: `.programsNotFound`.
    static func find(version: Int?) async throws(LocalPostgresError) -> ServerPrograms {
        if let chosen = Command.variable("REJOINDER_POSTGRES_BIN"), !chosen.isEmpty {
            guard let programs = ServerPrograms(in: chosen) else { throw .programsNotFound }
            return programs
        }
        let exact = version.map { ["\(debian)/\($0)/bin"] } ?? []
        for candidate in exact + searchPath() + debianDirectories() {
            if let programs = ServerPrograms(in: candidate) { return programs }
        }
        for candidate in searchPath() where access(candidate + "/pg_config", X_OK) == 0 {
            let outcome = try await Command(candidate + "/pg_config", ["--bindir"]).run()
            let line = outcome.output.split(separator: "\n").first.map { String($0) }
            if outcome.succeeded, let line, let programs = ServerPrograms(in: line) { return programs }
        }
        throw .programsNotFound
    }

    /// The folder where `candidate`'s `pg_ctl` really is, nil when it or one of the others is not there.
    private init?(in candidate: String) {
        guard let resolved = realpath(candidate + "/pg_ctl", nil) else { return nil }
        defer { free(resolved) }
        let parts = String(cString: resolved).split(separator: "/").dropLast()
        let directory = "/" + parts.joined(separator: "/")
        let complete = ["initdb", "postgres", "pg_ctl"].allSatisfy { access(directory + "/" + $0, X_OK) == 0 }
        guard complete else { return nil }
        self.directory = directory
    }

    private static let debian = "/usr/lib/postgresql"

    private static func debianDirectories() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? []
        return names.compactMap { Int($0) }.sorted(by: >).map { "\(debian)/\($0)/bin" }
    }

    private static func searchPath() -> [String] {
        (Command.variable("PATH") ?? "").split(separator: ":").map { String($0) }.filter { $0.hasPrefix("/") }
    }
}
