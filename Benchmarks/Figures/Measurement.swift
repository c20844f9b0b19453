import LoadGenerator
import Stage

/// What a load brought, and what it cost.
struct Measurement: Codable, Sendable {
    /// CPU time per call, in microseconds.
    struct CPU: Codable, Sendable {
        var ingress = 0.0
        var worker = 0.0
        var postgres = 0.0
        var load = 0.0
    }

    var load: LoadResult
    var cpu = CPU()
    /// How much of all processors that is, from 0 to 1.
    var cpuShare = 0.0
    /// Per call.
    var walBytes = 0.0
    /// Nil where the server does not count them, as the other.
    var walWrites: Double?
    var walFlushes: Double?
    /// The most that one process had in memory, in MiB.
    var ingressPeakMiB = 0.0
    var workerPeakMiB = 0.0
}

extension Deployment {
    /// Runs a load, and takes what it costs.
    func measure(_ load: Load) async throws -> Measurement {
        var measured = load
        if load.warmUp > 0 {
            var first = load
            (first.seconds, first.warmUp, first.idleConnections) = (load.warmUp, 0, 0)
            _ = try await first.run()
            measured.warmUp = 0
        }
        let walBefore = try await self.settledWAL()
        let before = self.cpuTimes()
        let start = ContinuousClock.now
        let result = try await measured.run()
        let time = ContinuousClock.now - start
        let after = self.cpuTimes()
        let walAfter = try await self.settledWAL()

        let calls = Double(max(1, result.sent))
        func perCall(_ time: KeyPath<CPUTimes, Duration>) -> Double {
            (after[keyPath: time] - before[keyPath: time]) / .microseconds(1) / calls
        }
        return Measurement(
            load: result,
            cpu: Measurement.CPU(
                ingress: perCall(\.ingress),
                worker: perCall(\.worker),
                postgres: perCall(\.postgres),
                load: perCall(\.load)
            ),
            cpuShare: (after.all - before.all) / (time * self.bench.machine.cores),
            walBytes: (walAfter.bytes - walBefore.bytes) / calls,
            walWrites: walAfter.writes.flatMap { after in walBefore.writes.map { (after - $0) / calls } },
            walFlushes: walAfter.flushes.flatMap { after in walBefore.flushes.map { (after - $0) / calls } },
            ingressPeakMiB: self.ingresses.map { ProcessFigures.memory(.mostResident, of: $0.member.pid) }.max() ?? 0,
            workerPeakMiB: self.workers.map { ProcessFigures.memory(.mostResident, of: $0.pid) }.max() ?? 0
        )
    }

    /// How much of all processors the processes take for so many seconds, from 0 to 1.
    func cpuShare(for seconds: Double) async throws -> Double {
        let before = self.cpuTimes()
        let start = ContinuousClock.now
        try await Task.sleep(for: .seconds(seconds))
        let after = self.cpuTimes()
        let used = after.all - after.load - (before.all - before.load)
        return used / ((ContinuousClock.now - start) * self.bench.machine.cores)
    }

    private struct CPUTimes {
        let ingress: Duration
        let worker: Duration
        let postgres: Duration
        let load: Duration

        var all: Duration { self.ingress + self.worker + self.postgres + self.load }
    }

    private func cpuTimes() -> CPUTimes {
        CPUTimes(
            ingress: self.ingresses.compactMap { ProcessFigures($0.member.pid)?.cpu }.reduce(.zero, +),
            worker: self.workers.compactMap { ProcessFigures($0.pid)?.cpu }.reduce(.zero, +),
            postgres: self.database.cpu,
            load: ProcessFigures.ownCPU
        )
    }

    /// The log's figures, complete: a backend reports what it has done once a second at most, with its next statement.
    private func settledWAL() async throws -> WALFigures {
        if !self.bench.isShort {
            try await Task.sleep(for: .milliseconds(1100))
            try await self.firstAnswer()
            try await Task.sleep(for: .milliseconds(100))
        }
        return try await self.database.wal()
    }
}
