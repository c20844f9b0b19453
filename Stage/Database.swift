package import LocalPostgres
import Subprocess
import SystemPackage

/// A private PostgreSQL with default durability, and its programs.
package struct Database: Sendable {
    package let cluster: LocalPostgres
    package let url: String
    package let postmaster: Int32
    /// Such as 150018.
    package let version: Int
    /// What the server says.
    package let log: String
    private let psql: String
    private let pgbench: String

    /// Runs a new server while `body` runs; nothing is left of it.
    package static func with<Result>(
        folder: String,
        settings: [String: String],
        _ body: (Database) async throws -> Result
    ) async throws -> Result {
        let cluster = LocalPostgres(directory: folder + "/postgres", settings: settings, exitAction: .stopAndRemove)
        try await cluster.start()
        let result: Result
        do {
            result = try await body(Database(cluster))
        } catch {
            try await cluster.remove()
            throw error
        }
        try await cluster.remove()
        return result
    }

    /// A server that runs already.
    package init(_ cluster: LocalPostgres) async throws {
        self.cluster = cluster
        self.url = try cluster.connectionString()
        self.log = cluster.log
        self.psql = try await cluster.client("psql")
        self.pgbench = try await cluster.client("pgbench")
        let answer = try await Self.run(
            self.psql,
            Self.arguments(
                self.url,
                ["select current_setting('server_version_num') || ' ' || pg_read_file('postmaster.pid')"]
            )
        )
        let numbers = answer.split { $0 == " " || $0.isNewline }.prefix(2).compactMap { Int32($0) }
        guard numbers.count == 2 else { throw StageError("PostgreSQL does not say its version and process") }
        self.version = Int(numbers[0])
        self.postmaster = numbers[1]
    }

    /// Runs statements, each a transaction of its own unless they say otherwise; a line per row.
    @discardableResult
    package func query(_ statements: String...) async throws -> String { try await self.query(statements) }

    /// The same, for a list of them.
    @discardableResult
    package func query(_ statements: [String]) async throws -> String {
        try await Self.run(self.psql, Self.arguments(self.url, statements))
    }

    package func number(_ sql: String) async throws -> Int {
        let answer = try await self.query(sql)
        guard let number = Int(answer) else { throw StageError("\"\(sql)\" gave \"\(answer)\"") }
        return number
    }

    /// Starts a psql that runs a script, as a member of a fleet.
    package func start(_ script: String, in fleet: Fleet) async throws -> Member {
        try await fleet.start(self.psql, Self.arguments(self.url, [script]))
    }

    /// Runs pgbench; what it prints.
    package func bench(_ arguments: [String]) async throws -> String {
        try await Self.run(self.pgbench, ["-n", "-M", "prepared"] + arguments + [self.url])
    }

    private static func arguments(_ url: String, _ statements: [String]) -> [String] {
        ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url] + statements.flatMap { ["-c", $0] }
    }

    private static func run(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .path(FilePath(program)),
            arguments: Arguments(arguments),
            output: .string(limit: 64 << 20),
            error: .string(limit: 1 << 20)
        )
        guard result.terminationStatus.isSuccess else {
            try Task.checkCancellation()
            let lines = result.standardError.split(separator: "\n")
            throw StageError("\(program): \(lines.first { $0.contains("ERROR") } ?? lines.last ?? "it failed")")
        }
        return String(result.standardOutput.reversed().drop { $0.isNewline }.reversed())
    }
}
