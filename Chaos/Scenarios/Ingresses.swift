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
    static let killedIngress = Scenario(
        name: "killed-ingress",
        title: "kill -9 of an ingress: its queued events are cancelled, the other notices nothing",
        workers: 1,
        slots: 4,
        signs: [.isSilent] + Self.signsOfLoss
    ) { arena, isShort in
        // Four slots of 200 ms: 20 a second; what waits is cancelled when its ingress dies.
        // A server that has just started gives its clients more time to come back.
        if !isShort {
            try await arena.eventually("the server is no new one") {
                try await arena.database.number(
                    "select (clock_timestamp() - pg_postmaster_start_time() > interval '16 s')::integer"
                ) == 1
            }
        }
        async let doomed = arena.load(160, seconds: 3, milliseconds: 200, targets: [0])
        async let other = arena.load(20, seconds: isShort ? 12 : 20, node: "once", milliseconds: 5, targets: [1])
        try await Task.sleep(for: .seconds(2.5))
        let killed = Arena.now
        arena.ingresses[0].member.signal(SIGKILL)
        let (_, right) = try await (doomed, other)
        var findings = Findings()
        findings.expect(right.isRight, "\(right.sent - right.answered) calls of the other ingress were not answered")
        let others = arena.history.calls.filter { $0.node == "once" }
        let before = others.filter { $0.record.due < killed }.map(\.milliseconds).percentile(99)
        let after = others.filter { $0.record.due >= killed }.map(\.milliseconds).percentile(99)
        findings.expect(
            inTime: after <= max(before, 100),
            loosely: after <= before + 2000,
            isShort,
            "the p99 of the other ingress rose from \(Int(before)) to \(Int(after)) ms"
        )
        let patience = isShort ? 6.5 : 3
        let lateRuns = { (seconds: Double) in
            try arena.runs().count { $0.start > killed + UInt64(seconds * 1e9) && $0.key.hasPrefix("work") }
        }
        let (late, tooLate) = (try lateRuns(patience), try lateRuns(9))
        findings.expect(
            inTime: late == 0,
            loosely: tooLate == 0,
            isShort,
            "\(late) events of the dead ingress were run \(patience) s after its death"
        )
        let cancelled = try await arena.database.number(
            "select count(*) from rejoinder.event where state = 'cancelled' and code = 'ingress_lost'"
        )
        findings.expect(cancelled > 0, "none of its queued events was cancelled")
        findings.notes = ["\(cancelled) of its queued events were cancelled"]
        findings.mayBreak = { $0.record.target == nil || $0.key.hasPrefix("work") }
        return findings
    }

    /// One that is merely stopped may still answer a scrape when it goes on.
    private static let signsOfLoss: [Sign] = [
        .rises(.cancellations, ["reason=\"ingress_lost\""]),
        .isShown("process <code>ingress_lost</code>"),
    ]

    static let stoppedIngress = Scenario(
        name: "stopped-ingress",
        title: "SIGSTOP of an ingress for 8 s: its queued events are cancelled, and queued again when it is back",
        workers: 1,
        slots: 4,
        signs: Self.signsOfLoss
    ) { arena, _ in
        // Four slots of 200 ms: 20 a second, of the 240 that come in two seconds.
        async let load = arena.load(120, seconds: 2, milliseconds: 200, targets: [0])
        async let other = arena.load(20, seconds: 16, node: "once", milliseconds: 5, targets: [1])
        try await Task.sleep(for: .seconds(2.5))
        let stopped = arena.ingresses[0].member
        stopped.signal(SIGSTOP)
        try await Task.sleep(for: .seconds(8))
        let lost = "from rejoinder.event where state = 'cancelled' and code = 'ingress_lost'"
        let cancelled = try await arena.database.number("select count(*) \(lost)")
        stopped.signal(SIGCONT)
        let (right, others) = try await (load, other)
        var findings = Findings()
        findings.expect(cancelled > 0, "none of its queued events was cancelled while it was stopped")
        findings.expect(right.isRight, "\(right.sent - right.answered) of its calls were not answered")
        findings.expect(others.isRight, "\(others.sent - others.answered) calls of the other ingress were not answered")
        findings.expect(
            try await arena.database.number("select count(*) \(lost)") == 0,
            "some of its events were not queued again"
        )
        findings.notes = ["\(cancelled) of its queued events were cancelled, and queued again"]
        return findings
    }

    static let rollingRestart = Scenario(
        name: "rolling-restart",
        title: "SIGTERM of both ingresses and all workers, one after the other, under load",
        signs: [
            .isSilent
        ]
    ) { arena, isShort in
        let workers = arena.workers
        async let load = arena.load(200, seconds: isShort ? 8 : 30, milliseconds: 50)
        for worker in workers {
            try await Task.sleep(for: .milliseconds(300))
            try await arena.addWorker()
            worker.requestEnd()
            await worker.end()
        }
        for index in arena.ingresses.indices {
            try await Task.sleep(for: .seconds(1))
            let ingress = arena.ingresses[index].member
            ingress.requestEnd()
            await ingress.end()
            try await arena.restartIngress(index)
        }
        let result = try await load
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) calls failed")
        return findings
    }

    static let hangUps = Scenario(
        name: "hang-ups",
        title: "callers that hang up at random",
        signs: [
            .rises(.cancellations, ["reason=\"hung_up\""]),
            .isShown("call <code>hung_up</code>"),
        ]
    ) { arena, isShort in
        let seconds = isShort ? 5.0 : 30
        async let others = arena.load(50, seconds: seconds, milliseconds: 50)
        let callers = try await HangingUp.callers(
            rate: 100,
            seconds: seconds - 1,
            urls: arena.ingresses.map(\.port),
            body: Arena.body(node: "work", key: "gone", milliseconds: 2000),
            secret: Arena.secret
        )
        let result = try await others
        var findings = Findings()
        findings.expect(result.isRight, "\(result.sent - result.answered) calls of patient callers failed")
        findings.expect(
            result.connectionsLost == 0,
            "\(result.connectionsLost) connections of patient callers were closed"
        )
        try await arena.eventually("what nobody waits for is cancelled", within: .seconds(5)) {
            try await arena.database.number("select count(*) from rejoinder.queue") == 0
        }
        let answered = try await arena.database.number(
            """
            select count(*) from rejoinder.received as p join rejoinder.event as e on e.id = p.id
             where p.payload #>> '{entities,n,0,entity_value}' = 'gone' and e.state <> 'cancelled'
            """
        )
        findings.expect(answered == 0, "\(answered) of \(callers) events of callers that hung up were not cancelled")
        findings.notes = ["\(callers) callers hung up"]
        return findings
    }
}
