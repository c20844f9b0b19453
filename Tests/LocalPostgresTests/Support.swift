import LocalPostgres
import Subprocess
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

/// Runs `body` with an empty folder of its own, in a place that the server's user can reach, and deletes it after.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
    let folder = "/tmp/local-postgres-\(UInt64.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

/// Runs `body` with a started cluster that doesn't outlive it.
func withCluster(
    settings: [String: String] = [:],
    _ body: (LocalPostgres) async throws -> Void
) async throws {
    try await withFolder { folder in
        let settings = ["fsync": "off"].merging(settings) { _, given in given }
        let postgres = LocalPostgres(directory: folder, settings: settings, exitAction: .stopAndRemove)
        try await postgres.start()
        do {
            try await body(postgres)
        } catch {
            try await postgres.remove()
            throw error
        }
        try await postgres.remove()
    }
}

/// What psql prints for one statement, without its last line break.
func psql(_ connectionString: String, _ statement: String) async throws -> String {
    let result = try await Subprocess.run(
        .name("psql"),
        arguments: ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, connectionString],
        output: .string(limit: 65_536),
        error: .string(limit: 65_536)
    )
    guard result.terminationStatus.isSuccess else { throw StatementFailed(description: result.standardError) }
    return String(result.standardOutput.dropLast())
}

struct StatementFailed: Error, CustomStringConvertible {
    let description: String
}

/// Waits until a process that nobody here is the parent of has done something that can only be looked at.
func wait(until condition: () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(5)) }
}

func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
