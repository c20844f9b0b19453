import LoadGenerator
import RejoinderMetrics
import Stage

extension Scenario {
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
        findings.expect(
            inTime: ratio <= 3,
            loosely: ratio <= 10 || beside.latency.p99 <= 1000,
            isShort,
            "the fast node's p99 is \(ratio) times that of alone"
        )
        return findings
    }

    static let overload = Scenario(
        name: "overload",
        title: "twice the capacity for 60 s",
        workers: 2,
        slots: 8,
        shortDeadline: 6,
        mayRefuse: true,
        signs: [
            .reaches(.queueOldestAge, 1),
            .rises(.calls, ["status=\"50"]),
            .isShown("call <code>"),
        ]
    ) { arena, isShort in
        // 16 slots of 100 ms: 160 a second, what they really do is measured. It is slots that are too few here, not the
        // machine's cores, which callers and everything else share.
        let closed = try await arena.load(
            0,
            seconds: isShort ? 4 : 10,
            milliseconds: 100,
            pace: .closed(connections: 80)
        )
        let capacity = closed.rate
        let seconds = isShort ? 15.0 : 60
        async let load = arena.load(2 * capacity, seconds: seconds, milliseconds: 100)
        // From its end on, while callers of the overload still wait.
        try await Task.sleep(for: .seconds(seconds))
        let ended = Arena.now
        _ = try await arena.load(capacity / 2, seconds: 9, milliseconds: 100)
        let over = try await load
        var findings = Findings()
        let calls = arena.history.calls.filter { $0.key.hasPrefix("work2-") }
        let begin = calls.map(\.record.due).min() ?? 0
        let inTime = calls.filter { $0.isAnswered && Double($0.record.ended - begin) / 1e9 <= seconds }
        let goodput = Double(inTime.count) / seconds / capacity
        let median = calls.filter(\.isAnswered).map(\.milliseconds).percentile(50)
        findings.expect(
            inTime: goodput >= 0.95,
            loosely: goodput >= 0.5,
            isShort,
            "goodput is \(goodput) of the capacity, expected 0.95"
        )
        findings.expect(
            inTime: median <= 2000,
            loosely: median <= 4000,
            isShort,
            "median of the answered is \(Int(median)) ms, expected 2,000 at most"
        )
        let after = arena.history.calls.filter { $0.key.hasPrefix("work3-") && $0.record.due > ended + 5_000_000_000 }
        findings.expect(!after.isEmpty, "nobody called 5 s after the overload")
        let refused = after.count { !$0.isAnswered }
        findings.expect(refused == 0, "\(refused) of \(after.count) calls were not answered 5 s after the overload")
        let p99 = after.map(\.milliseconds).percentile(99)
        findings.expect(
            inTime: p99 <= 1000,
            loosely: p99 <= 3000,
            isShort,
            "p99 is \(Int(p99)) ms 5 s after the overload, expected 1,000 at most"
        )
        findings.worstRecovery = after.map(\.milliseconds).max()
        findings.notes += [
            "capacity \(Int(capacity))/s, goodput \(Int(goodput * 100)) %, median \(Int(median)) ms, "
                + "refused \(over.refused), 5 s afterwards p99 \(Int(p99)) ms"
        ]
        return findings
    }
}
