import Stage
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

@Suite("the processes of a scenario", .timeLimit(.minutes(1)))
struct FleetTests {
    @Test("one that is started in a cancelled task is ended as well")
    func cancelled() async throws {
        let folder = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let scenario = Task {
            try await Fleet.with(folder: folder) { fleet in
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await fleet.start("/bin/sh", ["-c", "echo $$; exec sleep 600"])
            }
        }
        await #expect(throws: CancellationError.self) { try await scenario.value }
        // It may have been ended before it said its number.
        let said = try String(contentsOfFile: folder + "/0-sh.log", encoding: .utf8)
        #expect(said.split(separator: "\n").compactMap { pid_t($0) }.allSatisfy { kill($0, 0) != 0 })
    }
}
