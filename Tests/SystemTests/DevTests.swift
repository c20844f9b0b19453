import HaptikWebhook
import LocalPostgres
import Subprocess
import SystemPackage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The newcomer's path: everything in one terminal, with a worker of one's own.
@Suite("rejoinder dev", .serialized, .timeLimit(.minutes(5)))
struct DevTests {
    @Test("with the example's worker a call gets its answer, whatever the shell has set, and all of it ends in order")
    func orderWorker() async throws {
        let folder = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let body = "\(folder)/call.json"
        try Data(Deployment.body("order_status", ["order_id": "4711"])).write(to: URL(filePath: body))
        let worker = try Program.path(of: "OrderWorker").string
        let arguments = ["dev", "--directory", "\(folder)/data", "--http-port", "0", "--admin-port", "0", "--", worker]
        let secret = "\(folder)/secret"
        try Data("of a file".utf8).write(to: URL(filePath: secret))
        let shell = [
            "PGCHANNELBINDING": "require", "PGHOSTADDR": "127.0.0.1", "PGSSLMODE": "verify-full",
            "PGOPTIONS": "-c default_transaction_read_only=on", "REJOINDER_SECRET_FILE": secret,
        ]
        let status = try await Program.with("rejoinder", arguments, environment: shell) { dev in
            let line = try await dev.line(containing: "calls:")
            let url = try #require(line.split(separator: " ").last.map { String($0) })
            let sent = try await Program.run(
                "rejoinder",
                ["send", "--url", url, "--body", body],
                environment: ["REJOINDER_SECRET_FILE": secret]
            )
            #expect("\(sent.status)" == "exited(0)", "\(sent.lines)")
            #expect(sent.lines.first == "200 OK")
            #expect(sent.lines.contains { $0.contains("4711") }, "\(sent.lines)")
        }
        #expect("\(status)" == "exited(0)")
    }

    @Test("killed, it leaves neither its workers nor its PostgreSQL behind")
    func killed() async throws {
        let folder = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let worker = ["/bin/sh", "-c", "echo this worker is $$; exec sleep 600"]
        let ports = ["--http-port", "0", "--admin-port", "0"]
        let arguments = ["dev", "--directory", "\(folder)/data"] + ports + ["--"] + worker
        try await Program.with("rejoinder", arguments) { dev in
            let line = try await dev.line(containing: "this worker is")
            let pid = try #require(line.split(separator: " ").last)
            // Its guard is a moment younger, and has its number as the last argument.
            try await eventually("the worker is guarded") {
                try FileManager.default.contentsOfDirectory(atPath: "/proc").contains { process in
                    let arguments = try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)
                    return arguments?.hasSuffix("\0\(pid)\0") == true
                }
            }
            dev.signal(.kill)
            // What is dead has no program, also where nobody has asked for its exit code.
            let program = "/proc/\(pid)/exe"
            try await eventually("the worker has ended") { !FileManager.default.fileExists(atPath: program) }
            let postgres = LocalPostgres(directory: "\(folder)/data")
            try await eventually("PostgreSQL has ended") { !postgres.isRunning }
        }
    }

    @Test("a number of workers that can't be is refused")
    func workers() async throws {
        let result = try await Program.run("rejoinder", ["dev", "--workers=-1"])
        #expect("\(result.status)" == "exited(64)")
        #expect(result.lines.first?.contains("--workers is -1, expected 0 to 100") == true, "\(result.lines)")
    }
}
