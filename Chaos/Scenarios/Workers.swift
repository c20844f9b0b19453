import LoadGenerator
import RejoinderMetrics
import Stage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension Scenario {
    static let killedWorkers = Scenario(
        name: "killed-workers",
        title: "kill -9 of a worker every 2 s, 200 calls/s, handlers of 100 ms",
        slots: 10,
        signs: [
            .isSilent,
            .rises(.recoveries),
            .isShown(">missing<"),
            .isShown("process <code>worker_lost</code>"),
        ]
    ) { arena, isShort in
        let seconds = isShort ? 6.0 : 60
        var kills: [Int32: UInt64] = [:]
        async let load = arena.load(200, seconds: seconds, milliseconds: 100)
        async let once = arena.load(20, seconds: seconds, node: "once", milliseconds: 100)
        for _ in 0..<Int(seconds / 2) - 1 {
            try await Task.sleep(for: .seconds(1))
            let victim = try await arena.busiestWorker()
            kills[victim.pid] = Arena.now
            victim.signal(SIGKILL)
            try await arena.addWorker(slots: 10)
            try await Task.sleep(for: .seconds(1))
        }
        let (right, onceRight) = try await (load, once)
        var findings = Findings()
        findings.expect(right.isRight, "\(right.sent - right.answered) bot breaks")
        findings.letOnceFail(onceRight)
        let runs = Dictionary(grouping: try arena.runs().filter { !$0.key.hasPrefix("once") }, by: \.key)
        let recoveries = runs.values.compactMap { runs -> Double? in
            guard
                let lost = runs.first(where: { $0.end == nil && kills[$0.worker] != nil }),
                let killed = kills[lost.worker],
                let next = runs.filter({ $0.attempt > lost.attempt }).map(\.start).min()
            else { return nil }
            return Double(next - killed) / 1e6
        }
        let lost = runs.values.count { $0.contains { $0.end == nil && kills[$0.worker] != nil } }
        findings.expect(lost > 0, "no killed worker had an event")
        findings.expect(recoveries.count == lost, "\(lost - recoveries.count) lost runs were not restarted")
        findings.worstRecovery = recoveries.max()
        let p99 = recoveries.percentile(99)
        findings.expect(
            inTime: p99 <= 1500,
            loosely: p99 <= 5000,
            isShort,
            "lost runs were restarted after \(Int(p99)) ms (p99), expected 1,500 at most"
        )
        findings.notes += ["\(lost) lost runs, restarted after \(Int(p99)) ms (p99)"]
        return findings
    }

    static let stoppedWorker = Scenario(
        name: "stopped-worker",
        title: "SIGSTOP of a worker for 20 s: its events run elsewhere, its late answers are refused",
        signs: [
            .isSilent,
            .rises(.recoveries),
            .isShown("process <code>worker_lost</code>"),
        ]
    ) { arena, isShort in
        let (seconds, pause) = isShort ? (11.0, 8) : (30, 20)
        async let load = arena.load(100, seconds: seconds, milliseconds: 100)
        async let once = arena.load(20, seconds: seconds, node: "once", milliseconds: 100)
        try await Task.sleep(for: .seconds(1))
        let victim = try await arena.busiestWorker()
        let stopped = Arena.now
        victim.signal(SIGSTOP)
        try await Task.sleep(for: .seconds(pause))
        let resumed = Arena.now
        victim.signal(SIGCONT)
        let (right, onceRight) = try await (load, once)
        var findings = Findings()
        findings.expect(right.isRight, "\(right.sent - right.answered) bot breaks")
        findings.letOnceFail(onceRight)
        let held = try arena.runs().filter {
            $0.worker == victim.pid && !$0.key.hasPrefix("once") && $0.start < stopped
                && ($0.end.map { $0 > resumed } ?? true)
        }
        let runs = Dictionary(grouping: try arena.runs(), by: \.key)
        let recoveries = held.compactMap { run in
            runs[run.key]?.first { $0.attempt > run.attempt }.map { Double($0.start - stopped) / 1e6 }
        }
        findings.expect(!held.isEmpty, "the stopped worker had no event")
        findings.expect(
            recoveries.count == held.count,
            "\(held.count - recoveries.count) of its events did not run again"
        )
        findings.worstRecovery = recoveries.max()
        findings.expect(
            inTime: (recoveries.max() ?? 0) <= 7000,
            loosely: (recoveries.max() ?? 0) <= 12_000,
            isShort,
            "its events ran elsewhere after more than 7 s"
        )
        let refused = victim.said.split(separator: "\n").count { $0.contains("a late outcome was refused") }
        findings.expect(refused > 0, "it does not say that its late answers were refused")
        findings.notes += ["\(held.count) events were held by the stopped worker, \(refused) late answers refused"]
        return findings
    }

    static let stubbornHandler = Scenario(
        name: "stubborn-handler",
        title: "handlers that never return: some ignore their cancellation, some block their threads",
        ingresses: 1,
        workers: 1,
        deadline: 3,
        mayRefuse: true,
        signs: [
            .rises(.calls, ["code=\"no_reply\""]),
            .isShown("call <code>no_reply</code>"),
            .isShown("<span class=\"badge expired\">"),
        ]
    ) { arena, isShort in
        let quick = try await arena.load(100, seconds: 1, node: "blocking")
        async let stubborn = arena.load(2, seconds: 1, node: "stubborn")
        async let blocking = arena.load(4, seconds: 1, node: "blocking", milliseconds: 1)
        async let others = arena.load(50, seconds: 5, milliseconds: 20)
        let right = try await others
        var findings = Findings()
        findings.expect(quick.isRight, "\(quick.sent - quick.answered) calls were not answered before they blocked")
        for late in try await [stubborn, blocking] {
            findings.expect(
                late.refused == [504: late.sent] && late.sent > 0,
                "their callers got \(late.refused), expected 504"
            )
        }
        findings.expect(right.isRight, "\(right.sent - right.answered) calls of other nodes were not answered")
        let worker = arena.workers[0]
        _ = try await worker.line(containing: "ignores its cancellation")
        // It can still be drained.
        let began = Arena.now
        worker.requestEnd()
        await worker.end()
        let took = Double(Arena.now - began) / 1e6
        findings.expect(
            inTime: took < 9000,
            loosely: took < 10_000,
            isShort,
            "it could not be drained, it took \(Int(took)) ms"
        )
        findings.worstRecovery = took
        try await arena.addWorker()
        return findings
    }
}

extension Findings {
    /// An at-most-once event fails where nobody knows whether its handler has run: it must not run again.
    mutating func letOnceFail(_ once: LoadResult) {
        self.mayRefuse = { $0.node == "once" && $0.status == 502 }
        self.expect(once.answered > 0, "no at-most-once event was answered")
        self.notes.append("at-most-once answered \(once.answered) of \(once.sent)")
    }
}
