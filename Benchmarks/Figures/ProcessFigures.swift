#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What Linux says of a process.
struct ProcessFigures {
    let pid: pid_t
    let parent: pid_t
    /// Of the process itself.
    let cpu: Duration
    /// Of its children that have ended.
    let endedChildrenCPU: Duration

    /// Nil where there is no such process, or it is dead.
    init?(_ pid: pid_t) {
        guard
            let line = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let close = line.lastIndex(of: ")")
        else { return nil }
        // After "pid (command)": state, parent, …; utime, stime, cutime and cstime are the 12th to the 15th.
        let fields = line[line.index(after: close)...].split(separator: " ")
        guard fields.count > 14, fields[0] != "Z", fields[0] != "X", let parent = pid_t(fields[1]) else { return nil }
        let times = fields[11...14].compactMap { Int($0) }
        guard times.count == 4 else { return nil }
        let tick = Duration.seconds(1) / sysconf(Int32(_SC_CLK_TCK))
        self.pid = pid
        self.parent = parent
        self.cpu = tick * (times[0] + times[1])
        self.endedChildrenCPU = tick * (times[2] + times[3])
    }

    static func all() -> [ProcessFigures] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.compactMap { ProcessFigures($0) }
    }

    /// The CPU time of a process, its living children and those that have ended.
    static func cpu(ofFamily pid: pid_t) -> Duration {
        guard let head = ProcessFigures(pid) else { return .zero }
        return self.all().filter { $0.parent == pid }.reduce(head.cpu + head.endedChildrenCPU) { $0 + $1.cpu }
    }

    /// The CPU time of this process, to the microsecond.
    static var ownCPU: Duration {
        var usage = rusage()
        #if os(Linux)
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #else
        getrusage(RUSAGE_SELF, &usage)
        #endif
        let times = [usage.ru_utime, usage.ru_stime]
        return times.reduce(.zero) { $0 + .seconds(Int($1.tv_sec)) + .microseconds(Int($1.tv_usec)) }
    }

    enum Memory: String {
        case resident = "VmRSS"
        case mostResident = "VmHWM"
    }

    /// In MiB.
    static func memory(_ kind: Memory, of pid: pid_t) -> Double {
        let kilobytes = self.status(of: pid, path: "/proc/\(pid)/status")[kind.rawValue].flatMap { Double($0) }
        return (kilobytes ?? 0) / 1024
    }

    /// How often its threads went to sleep by themselves: each time something woke them before.
    static func wakeUps(of pid: pid_t) -> Int {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return threads.reduce(0) { sum, thread in
            let status = self.status(of: pid, path: "/proc/\(pid)/task/\(thread)/status")
            return sum + (status["voluntary_ctxt_switches"].flatMap { Int($0) } ?? 0)
        }
    }

    /// The first word of each line's value, by the line's name.
    private static func status(of pid: pid_t, path: String) -> [String: Substring] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        let pairs = text.split(separator: "\n").compactMap { line -> (String, Substring)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].split { $0 == " " || $0 == "\t" }.first
            return value.map { (String(line[..<colon]), $0) }
        }
        return Dictionary(pairs) { first, _ in first }
    }
}
