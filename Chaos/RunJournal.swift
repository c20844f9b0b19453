import NIOCore
import Stage
import SystemPackage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One run of a handler, as it wrote it down itself.
struct HandlerRun {
    let key: String
    let attempt: Int
    let worker: Int32
    /// Nanoseconds of the system's monotonic clock.
    let start: UInt64
    var end: UInt64?
}

/// What the handlers of one process did: a line at each start and end, written at once, so that a killed process has
/// said what it began.
final class RunJournal: Sendable {
    private let file: SystemPackage.FileDescriptor

    init(folder: String) throws {
        self.file = try SystemPackage.FileDescriptor.open(
            FilePath("\(folder)/runs-\(getpid())"),
            .writeOnly,
            options: [.create, .append],
            permissions: [.ownerReadWrite, .groupRead, .otherRead]
        )
    }

    func write(_ what: String, _ key: String, attempt: Int) {
        _ = try? self.file.writeAll("\(what) \(key) \(attempt) \(NIODeadline.now().uptimeNanoseconds)\n".utf8)
    }

    /// All runs that processes have written down in a folder.
    static func runs(in folder: String) throws -> [HandlerRun] {
        var runs: [HandlerRun] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasPrefix("runs-") {
            guard let worker = Int32(name.dropFirst(5)) else { continue }
            var open: [String: Int] = [:]
            for line in try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8).split(separator: "\n") {
                let words = line.split(separator: " ")
                guard words.count == 4, let attempt = Int(words[2]), let at = UInt64(words[3]) else { continue }
                let key = String(words[1])
                if words[0] == "start" {
                    open["\(key) \(attempt)"] = runs.count
                    runs.append(HandlerRun(key: key, attempt: attempt, worker: worker, start: at))
                } else if let index = open["\(key) \(attempt)"] {
                    runs[index].end = at
                }
            }
        }
        return runs
    }
}
