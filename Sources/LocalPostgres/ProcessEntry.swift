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

/// A line of Linux's process table, `/proc/<pid>/stat`; elsewhere the table is empty.
struct ProcessEntry: Sendable {
    let pid: pid_t
    let parent: pid_t
    let command: String
    /// Dead, and its parent has not asked for its exit code yet.
    let isZombie: Bool

    /// nil when there is no such process.
    init?(pid: pid_t) {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return nil }
        self.init(line: text)
    }

    /// Reads `pid (command) state parent …`; the command may hold blanks and brackets of its own.
    init?(line: String) {
        guard let open = line.firstIndex(of: "("), let close = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: close)...].split(separator: " ")
        guard fields.count >= 2, let parent = pid_t(fields[1]) else { return nil }
        guard let pid = pid_t(line[..<open].filter { $0 != " " }) else { return nil }
        self.pid = pid
        self.parent = parent
        self.command = String(line[line.index(after: open)..<close])
        self.isZombie = fields[0] == "Z" || fields[0] == "X"
    }

    static func all() -> [ProcessEntry] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.compactMap { ProcessEntry(pid: $0) }
    }
}
