import RejoinderMetrics

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What Linux tells of this process, read when it is asked for; nothing elsewhere.
enum ProcessFigures {
    static func families() -> [Family] {
        // The name, in brackets, may hold anything: what follows it is numbered from 3 in proc(5).
        guard let stat = Self.contents(of: "/proc/self/stat"), let end = stat.lastIndex(of: ")") else { return [] }
        let fields = stat[end...].dropFirst(2).split(separator: " ").map { Double($0) ?? 0 }
        guard fields.count > 21 else { return [] }
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let pages = Double(max(1, sysconf(Int32(_SC_PAGESIZE))))
        var families = [
            Self.family(
                "process_cpu_seconds_total",
                .counter,
                "CPU time, in seconds.",
                (fields[11] + fields[12]) / ticks
            ),
            Self.family("process_resident_memory_bytes", .gauge, "Memory in use, in bytes.", fields[21] * pages),
        ]
        if let boot = Self.bootTime() {
            let start = boot + fields[19] / ticks
            families.append(
                Self.family("process_start_time_seconds", .gauge, "When it started, in seconds since 1970.", start)
            )
        }
        if let count = Self.openFiles() {
            families.append(Self.family("process_open_fds", .gauge, "Open file descriptors.", count))
        }
        return families
    }

    private static func family(_ name: String, _ kind: Metric.Kind, _ help: String, _ value: Double) -> Family {
        let instrument: Instrument
        if kind == .counter {
            let counter = PrometheusCounter()
            counter.increment(by: value)
            instrument = .counter(counter)
        } else {
            let gauge = PrometheusGauge()
            gauge.set(value)
            instrument = .gauge(gauge)
        }
        return Family(name: name, kind: kind, help: help, series: [[]: instrument])
    }

    /// Seconds since 1970.
    private static func bootTime() -> Double? {
        Self.contents(of: "/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
            .flatMap { Double($0.dropFirst(6)) }
    }

    private static func openFiles() -> Double? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return Double(count - 3)  // Without ".", ".." and the folder itself.
    }

    private static func contents(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 8192)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
            bytes.append(contentsOf: buffer[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
