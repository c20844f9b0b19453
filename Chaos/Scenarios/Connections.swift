import LoadGenerator
import RejoinderMetrics
import Stage

extension Scenario {
    static let cuttingProxy = Scenario(
        name: "cutting-proxy",
        title: "a proxy before PostgreSQL that cuts connections: before, during and after each statement, and anywhere",
        mayRefuse: true,
        hasProxy: true,
        signs: [
            .rises(.databaseConnectionsLost),
            .isShown("database <code>connection_lost</code>"),
        ]
    ) { arena, isShort in
        let seconds = isShort ? 14.0 : 50
        let proxy = try arena.proxyInUse()
        async let work = arena.load(150, seconds: seconds, milliseconds: 30)
        async let once = arena.load(20, seconds: seconds, node: "once", milliseconds: 30)
        let end = ContinuousClock.now + .seconds(seconds - 1)
        var cuts = 0
        for trap in Proxy.Trap.all(.cut) {
            try await arena.spring(trap)
            cuts += 1
            try await Task.sleep(for: .milliseconds(100))
        }
        while ContinuousClock.now < end {
            // After so many more bytes, somewhere inside a message, in one direction or the other.
            cuts += proxy.cutOne(afterBytes: Int.random(in: 0...3000)) ? 1 : 0
            try await Task.sleep(for: .milliseconds(Int.random(in: 20...150)))
        }
        proxy.mend()
        let (right, onceRight) = try await (work, once)
        var findings = Findings()
        findings.expect(right.isRight, "\(right.sent - right.answered) bot breaks")
        // An at-most-once event may fail when its claim got lost on the way: it must not run twice.
        findings.expect(cuts > 0, "no connection was cut")
        findings.notes += ["\(cuts) connections cut, at-most-once answered \(onceRight.answered) of \(onceRight.sent)"]
        return findings
    }

    static let stallingProxy = Scenario(
        name: "stalling-proxy",
        title:
            "a proxy before PostgreSQL that stalls connections without closing them, before, during and after each statement",
        hasProxy: true,
        signs: [
            .rises(.databaseConnectionsLost),
            .isShown("database <code>connection_lost</code>"),
        ]
    ) { arena, isShort in
        let proxy = try arena.proxyInUse()
        let traps = Proxy.Trap.all(.stall).filter {
            !isShort || ["enqueue", "answer"].contains($0.statement) && $0.point == .during
        }
        let pause = isShort ? 2.0 : 11
        async let work = arena.load(100, seconds: Double(traps.count + 1) * pause + 12, milliseconds: 30)
        // One after the other: each is to be noticed while the others go on.
        for trap in traps {
            try await arena.spring(trap)
            try await Task.sleep(for: .seconds(pause))
        }
        proxy.stallOne()
        let result = try await work
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) bot breaks")
        findings.expect(
            inTime: result.latency.max <= 11_000,
            loosely: result.latency.max <= 20_000,
            isShort,
            "a call took \(Int(result.latency.max)) ms, expected 11,000 at most"
        )
        // As the proxy sees it, whatever the processes say.
        try await arena.eventually("all stalled connections are closed", within: .seconds(10)) {
            proxy.stalls.allSatisfy { $0 != nil }
        }
        let stalls = proxy.stalls.compactMap(\.self)
        findings.expect(!stalls.isEmpty, "no connection that was needed was stalled")
        let longest = stalls.max() ?? 0
        findings.expect(
            inTime: longest <= 10.5,
            loosely: longest <= 15,
            isShort,
            "a stalled connection was closed after \(longest) s, expected 10 at most"
        )
        findings.worstRecovery = longest * 1000
        findings.notes += ["\(stalls.count) connections stalled"]
        return findings
    }
}

extension Proxy.Trap {
    /// Before, during and after each statement that a call hangs on.
    fileprivate static func all(_ deed: Deed) -> [Proxy.Trap] {
        ["enqueue", "claim", "answer", "listen"].flatMap { statement in
            Point.allCases.map { Proxy.Trap(statement: statement, point: $0, deed: deed) }
        }
    }
}

extension Arena {
    /// Returns when a connection has fallen into the trap.
    fileprivate func spring(_ trap: Proxy.Trap) async throws {
        let proxy = try self.proxyInUse()
        proxy.set(trap)
        try await self.eventually("a connection is caught \(trap.point) \(trap.statement)", within: .seconds(20)) {
            // Only new connections listen.
            if trap.statement == "listen", !proxy.isTrapSprung {
                _ = proxy.cutOne(afterBytes: 0)
                try await Task.sleep(for: .milliseconds(100))
            }
            return proxy.isTrapSprung
        }
    }
}
