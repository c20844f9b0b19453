import Stage
import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A small disk in memory, which can be filled to the last byte.
///
/// Only root can have one.
enum Disk {
    static func mount(at folder: String, megabytes: Int) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await Self.run("mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0755", "rejoinder", folder])
    }

    /// Leaves nothing free.
    static func fill(_ folder: String) {
        guard
            let file = try? SystemPackage.FileDescriptor.open(
                FilePath("\(folder)/filler"),
                .writeOnly,
                options: [.create, .append],
                permissions: .ownerReadWrite
            )
        else { return }
        let zeros = [UInt8](repeating: 0, count: 4096)
        while (try? zeros.withUnsafeBytes { try file.write($0) }) ?? 0 > 0 {}
        try? file.close()
    }

    /// Gives back what `fill` took.
    static func free(_ folder: String) { try? FileManager.default.removeItem(atPath: "\(folder)/filler") }

    static func unmount(_ folder: String) async { try? await Self.run("umount", [folder]) }

    private static func run(_ program: String, _ arguments: [String]) async throws {
        let result = try await Subprocess.run(
            .name(program),
            arguments: Arguments(arguments),
            output: .discarded,
            error: .string(limit: 4096)
        )
        guard result.terminationStatus.isSuccess else {
            throw StageError("\(program) failed, which needs root: \(result.standardError)")
        }
    }
}
