import LoadGenerator
import RejoinderMetrics
import Stage

private let signsOfPause: [Sign] = [.reaches(.nodePaused, 1), .isShown("paused, callers wait")]
private let signsOfFew: [Sign] = [.isShown("3 at once")]
private let signsOfSlow: [Sign] = [.isShown("20 a second")]

extension Scenario {
    static let steering = Scenario(
        name: "steering",
        title: "an operator pauses, resumes and limits a node, and drains all workers, under load",
        signs: signsOfPause + signsOfFew + signsOfSlow + [.isShown(">draining<")]
    ) { arena, isShort in
        let old = arena.workers
        let seconds = isShort ? 36.0 : 50
        async let steered = arena.load(100, seconds: seconds, milliseconds: 50)
        async let others = arena.load(20, seconds: seconds, node: "once", milliseconds: 500)
        try await Task.sleep(for: .seconds(1))
        let pause = try await arena.steer("pause('work', true)", until: "resume('work')", signsOfPause)
        let few = try await arena.steer("limit('work', 3, null)", until: "limit('work', null, null)", signsOfFew)
        let slow = try await arena.steer("limit('work', null, 20)", until: "limit('work', null, null)", signsOfSlow)
        for worker in old {
            try await arena.addWorker()
            worker.expectEnd()
            try await arena.database.query(
                "select rejoinder.drain(id) from rejoinder.workers where pid = \(worker.pid)"
            )
            await worker.end()
        }
        let drained = Arena.now
        let (right, othersRight) = try await (steered, others)
        var findings = Findings()
        findings.expect(right.isRight && othersRight.isRight, "calls were not answered")
        let runs = try arena.runs().filter { $0.key.hasPrefix("work") }
        let starts = { (time: ClosedRange<UInt64>) in runs.filter { time.contains($0.start) } }
        findings.expect(starts(pause).isEmpty, "\(starts(pause).count) were started while their node was paused")
        let atOnce = starts(few).map { run in
            runs.count { $0.start <= run.start && $0.end.map { $0 > run.start } ?? true }
        }
        findings.expect(!atOnce.isEmpty, "nothing ran with a limit of three at once")
        findings.expect((atOnce.max() ?? 0) <= 3, "\(atOnce.max() ?? 0) ran at once, with a limit of three")
        // So many a second, and what the bucket held.
        let most = 20 * Double(slow.upperBound - slow.lowerBound) / 1e9 + 20
        findings.expect(!starts(slow).isEmpty, "nothing was started with a limit of 20 a second")
        findings.expect(
            Double(starts(slow).count) <= most,
            "\(starts(slow).count) were started with a limit of 20 a second, expected \(Int(most)) at most"
        )
        findings.expect(
            arena.history.calls.contains { $0.record.due > drained },
            "the load was over before all workers were drained"
        )
        findings.expect(old.allSatisfy { !$0.isRunning }, "a drained worker still runs")
        findings.notes = [
            "\(atOnce.max() ?? 0) at once of 3; \(starts(slow).count) started of \(Int(most)); \(old.count) drained"
        ]
        return findings
    }
}

extension Arena {
    /// Calls an operator's function, and another that takes it back some seconds later, when its signs were seen or have not
    /// been for eight.
    ///
    /// - Returns: when it held everywhere: from a second after the call on.
    fileprivate func steer(_ call: String, until end: String, _ signs: [Sign]) async throws -> ClosedRange<UInt64> {
        try await self.database.query("select rejoinder.\(call)")
        try await Task.sleep(for: .seconds(1))
        let began = Self.now
        try await Task.sleep(for: .seconds(2))
        await self.watcher.untilSeen(signs)
        let ended = Self.now
        try await self.database.query("select rejoinder.\(end)")
        return began...ended
    }
}
