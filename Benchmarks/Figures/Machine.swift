import EventQueue
import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What was measured, where and when.
struct Machine: Codable, Sendable {
    var cpu = "unknown"
    var cores = ProcessInfo.processInfo.activeProcessorCount
    var memoryMiB = Int(ProcessInfo.processInfo.physicalMemory >> 20)
    var kernel = "unknown"
    var postgres = "unknown"
    var swift = "unknown"
    var rejoinder = Version.current
    var commit = "unknown"
    var date = Date().ISO8601Format()

    static func current() async -> Machine {
        var machine = Machine()
        let processors = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = processors.split(separator: "\n").first { $0.hasPrefix("model name") }
        machine.cpu = model?.split(separator: ":").last.map { $0.drop { $0 == " " } }.map(String.init) ?? machine.cpu
        let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? machine.kernel
        machine.kernel = String(kernel.prefix { !$0.isNewline })
        machine.swift = await Self.line("swift", "--version") ?? machine.swift
        machine.commit = await Self.line("git", "rev-parse", "--short", "HEAD") ?? machine.commit
        if let change = await Self.line("git", "status", "--porcelain"), !change.isEmpty {
            machine.commit += ", changed"
        }
        return machine
    }

    /// The first line that a program says; nil where it can't be run.
    private static func line(_ program: String, _ arguments: String...) async -> String? {
        let result = try? await Subprocess.run(
            .name(program),
            arguments: Arguments(arguments),
            output: .string(limit: 1 << 20),
            error: .discarded
        )
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return result.standardOutput.split(separator: "\n").first.map(String.init)
    }

    var text: String {
        """
        \(self.cpu), \(self.cores) cores, \(self.memoryMiB) MiB, Linux \(self.kernel)
        PostgreSQL \(self.postgres), \(self.swift)
        Rejoinder \(self.rejoinder), commit \(self.commit), \(self.date)
        """
    }
}
