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
        for _ in 0..<Int(seconds / 2) - 1 {
            try await Task.sleep(for: .seconds(1))
            let victim = try await arena.busiestWorker()
            kills[victim.pid] = Arena.now
            victim.signal(SIGKILL)
            try await arena.addWorker(slots: 10)
            try await Task.sleep(for: .seconds(1))
        }
        _ = try await load
        var findings = Findings()
        let runs = Dictionary(grouping: try arena.runs(), by: \.key)
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
        try await Task.sleep(for: .seconds(1))
        let victim = try await arena.busiestWorker()
        let stopped = Arena.now
        victim.signal(SIGSTOP)
        try await Task.sleep(for: .seconds(pause))
        let resumed = Arena.now
        victim.signal(SIGCONT)
        _ = try await load
        var findings = Findings()
        let held = try arena.runs().filter {
            $0.worker == victim.pid && $0.start < stopped && ($0.end.map { $0 > resumed } ?? true)
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
            isShort,
            "its events ran elsewhere after more than 7 s"
        )
        let refused = victim.said.contains("late outcome was refused") || victim.said.contains("given up as dead")
        findings.expect(refused, "it does not say that its late answers were refused")
        findings.notes += ["\(held.count) events were held by the stopped worker"]
        return findings
    }

    static let stubbornHandler = Scenario(
        name: "stubborn-handler",
        title: "handlers that never return and ignore their cancellation",
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
        async let stubborn = arena.load(2, seconds: 1, node: "stubborn")
        async let others = arena.load(50, seconds: 5, milliseconds: 20)
        let (late, right) = try await (stubborn, others)
        var findings = Findings()
        findings.expect(
            late.refused == [504: late.sent] && late.sent > 0,
            "their callers got \(late.refused), expected 504"
        )
        findings.expect(right.isRight, "\(right.sent - right.answered) calls of other nodes were not answered")
        let worker = arena.workers[0]
        _ = try await worker.line(containing: "ignores its cancellation")
        // It can still be drained.
        let began = Arena.now
        worker.requestEnd()
        await worker.end()
        let took = Double(Arena.now - began) / 1e6
        findings.expect(inTime: took < 9000, isShort, "it could not be drained, it took \(Int(took)) ms")
        findings.worstRecovery = took
        try await arena.addWorker()
        return findings
    }

    static let slowNode = Scenario(
        name: "slow-node",
        title: "a slow node, overloaded, beside a fast one",
        mayRefuse: true,
        signs: [
            .reaches(.queueOldestAge, 1),
            .rises(.calls, ["node=\"slow\"", "status=\"50"]),
            .isShown("call <code>"),
        ]
    ) { arena, isShort in
        let seconds = isShort ? 4.0 : 20
        let alone = try await arena.load(100, seconds: seconds, milliseconds: 5)
        // Sixteen slots of 200 ms: 80 a second.
        async let slow = arena.load(400, seconds: seconds + 4, node: "slow", milliseconds: 200)
        try await Task.sleep(for: .seconds(2))
        let beside = try await arena.load(100, seconds: seconds, milliseconds: 5)
        _ = try await slow
        var findings = Findings()
        findings.expect(alone.isRight && beside.isRight, "calls of the fast node were not all answered")
        let ratio = beside.latency.p99 / alone.latency.p99
        findings.notes += [
            "p99 of the fast node \(Int(beside.latency.p99)) ms, alone \(Int(alone.latency.p99)) ms"
        ]
        findings.expect(inTime: ratio <= 3, isShort, "the fast node's p99 is \(ratio) times that of alone")
        return findings
    }

    static let overload = Scenario(
        name: "overload",
        title: "twice the capacity for 60 s",
        workers: 2,
        slots: 20,
        shortDeadline: 6,
        mayRefuse: true,
        signs: [
            .reaches(.queueOldestAge, 1),
            .rises(.calls, ["status=\"50"]),
            .isShown("call <code>"),
        ]
    ) { arena, isShort in
        // 40 slots of 100 ms: 400 a second. What they really do is measured.
        let closed = try await arena.load(
            0,
            seconds: isShort ? 4 : 10,
            milliseconds: 100,
            pace: .closed(connections: 80)
        )
        let capacity = closed.rate
        let seconds = isShort ? 15.0 : 60
        let over = try await arena.load(2 * capacity, seconds: seconds, milliseconds: 100)
        var findings = Findings()
        let calls = arena.history.calls.filter { $0.key.hasPrefix("work2-") }
        let begin = calls.map(\.record.due).min() ?? 0
        let inTime = calls.filter { $0.isAnswered && Double($0.record.ended - begin) / 1e9 <= seconds }
        let goodput = Double(inTime.count) / seconds / capacity
        let median = calls.filter(\.isAnswered).map(\.milliseconds).percentile(50)
        findings.expect(inTime: goodput >= 0.95, isShort, "goodput is \(goodput) of the capacity, expected 0.95")
        findings.expect(
            inTime: median <= 2000,
            isShort,
            "median of the answered is \(Int(median)) ms, expected 2,000 at most"
        )
        // What is left of the overload is answered or refused by now: the generator has waited for it.
        try await Task.sleep(for: .seconds(1))
        let after = try await arena.load(capacity / 2, seconds: 3, milliseconds: 100)
        findings.expect(after.isRight, "half the capacity is not all answered after the overload")
        findings.expect(
            inTime: after.latency.p99 <= 1000,
            isShort,
            "p99 after the overload is \(Int(after.latency.p99)) ms"
        )
        findings.worstRecovery = after.latency.max
        findings.notes += [
            "capacity \(Int(capacity))/s, goodput \(Int(goodput * 100)) %, median \(Int(median)) ms, "
                + "refused \(over.refused), afterwards p99 \(Int(after.latency.p99)) ms"
        ]
        return findings
    }
}
