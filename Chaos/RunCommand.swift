import ArgumentParser
import LoadGenerator
import Settings
import Stage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Inject faults, and print a row for each.",
        discussion: Scenario.all.map { "\($0.name)  \($0.title)" }.joined(separator: "\n")
    )

    @Argument(help: "Only these; all when none is named.")
    var scenarios: [String] = []

    @Flag(help: "A few seconds each.")
    var short = false

    @Flag(help: "A Prometheus with the alert rules beside each: which alerts it raises.")
    var alerts = false

    func run() async throws {
        OpenFiles.allowAsManyAsPossible()
        let chosen = try self.chosen()
        do {
            try await endingOnSignals { try await self.run(chosen) }
        } catch is Interrupted {
            StandardError.print("chaos: interrupted")
            throw ExitCode(130)
        }
    }

    private func run(_ chosen: [Scenario]) async throws {
        let folder = "/var/tmp/rejoinder-chaos-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o755]
        )
        var rows: [Row] = []
        for scenario in chosen {
            StandardError.print("chaos: \(scenario.name), \(scenario.title)")
            rows.append(
                await scenario.row(
                    folder: "\(folder)/\(rows.count + 1)-\(scenario.name)",
                    isShort: self.short,
                    hasAlerts: self.alerts
                )
            )
            guard !Task.isCancelled else {
                try? FileManager.default.removeItem(atPath: folder)
                throw CancellationError()
            }
            StandardError.print(rows.last?.text ?? "")
        }
        print(Row.heading)
        for row in rows { print(row.text) }
        guard rows.allSatisfy(\.faults.isEmpty) else {
            print("What the processes said is in \(folder)")
            throw ExitCode(1)
        }
        try FileManager.default.removeItem(atPath: folder)
    }

    private func chosen() throws -> [Scenario] {
        try self.scenarios.isEmpty
            ? Scenario.all
            : self.scenarios.map { name in
                guard let scenario = Scenario.all.first(where: { $0.name == name }) else {
                    let names = Scenario.all.map(\.name).joined(separator: ", ")
                    throw ValidationError("there is no scenario \"\(name)\", expected one of \(names)")
                }
                return scenario
            }
    }
}

/// What came of one scenario.
struct Row {
    static let heading =
        "scenario              sent  answered  refused               broken  lost  run twice  worst recovery  verdict"

    let scenario: String
    var sent = 0
    var answered = 0
    var refused: [Int: Int] = [:]
    var broken = 0
    var lost = 0
    var runTwice = 0
    var worstRecovery = 0.0
    var faults: [String] = []
    var notes: [String] = []
    /// It can't be tried here.
    var isSkipped = false

    var text: String {
        func cell(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        let refused = self.refused.sorted { $0.key < $1.key }.map { "\($0): \($1)" }.joined(separator: ", ")
        let line =
            cell(self.scenario, 22) + cell("\(self.sent)", 6) + cell("\(self.answered)", 10)
            + cell(refused.isEmpty ? "-" : refused, 22) + cell("\(self.broken)", 8) + cell("\(self.lost)", 6)
            + cell("\(self.runTwice)", 11) + cell("\(Int(self.worstRecovery)) ms", 16)
            + (!self.faults.isEmpty ? "BROKEN" : self.isSkipped ? "skipped" : "held")
        return ([line] + self.notes.map { "    \($0)" } + self.faults.map { "    ! \($0)" }).joined(separator: "\n")
    }
}

extension Scenario {
    /// Sets the deployment up, injects the fault, and checks the history.
    fileprivate func row(folder: String, isShort: Bool, hasAlerts: Bool) async -> Row {
        var row = Row(scenario: self.name)
        do {
            let deadline = isShort ? self.shortDeadline ?? self.deadline : self.deadline
            if let disk = self.disk {
                do {
                    try await Disk.mount(at: Arena.disk(in: folder), megabytes: disk)
                } catch {
                    row.isSkipped = true
                    // Where all must be tried, it can be.
                    let isCI = ProcessInfo.processInfo.environment["CI"] != nil
                    (row.notes, row.faults) = isCI ? ([], ["\(error)"]) : (["\(error)"], [])
                    return row
                }
            }
            let hasDisk = self.disk != nil
            try await Arena.with(folder: folder, hasDisk: hasDisk, deadline: deadline, signs: self.signs) { arena in
                if hasAlerts { try await arena.addPrometheus() }
                if self.hasProxy { try await arena.putProxyBefore() }
                if self.hasStandby { try await arena.addStandby() }
                for _ in 0..<self.ingresses { try await arena.addIngress(self.ingressArguments) }
                for _ in 0..<self.workers { try await arena.addWorker(slots: self.slots) }
                try await arena.untilReady()
                let before = arena.holdings()
                let watch = Task { await arena.watcher.run() }
                defer { watch.cancel() }
                let findings = try await self.run(arena, isShort)
                try await row.check(arena, findings, isShort, mayRefuse: self.mayRefuse)
                row.faults += try await arena.leaks(since: before)
                row.faults += try await arena.inHand()
                await row.checkSigns(of: self, on: arena.watcher)
                if let prometheus = arena.prometheus { try await row.note(prometheus.alerts()) }
                await arena.fleet.end()
                row.faults += arena.fleet.faults
            }
        } catch {
            row.faults.append("could not be carried out: \(error)")
        }
        // Also where it was interrupted.
        if self.disk != nil { await Task { await Disk.unmount(Arena.disk(in: folder)) }.value }
        return row
    }
}

extension Row {
    fileprivate mutating func check(
        _ arena: Arena,
        _ findings: Findings,
        _ isShort: Bool,
        mayRefuse: Bool
    ) async throws {
        var findings = findings
        let (late, tooLate) = arena.history.late(deadline: arena.deadline, mayBreak: findings.mayBreak)
        findings.expect(
            inTime: late == 0,
            loosely: tooLate == 0,
            isShort,
            "\(late) replies later than the deadline and half a second"
        )
        self.faults = findings.faults
        self.notes += findings.notes
        let left = try await arena.leftOver()
        if left > 0 { self.faults.append("\(left) events are still queued or running after a minute") }
        let busy = try await arena.busySlots()
        if busy > 0 { self.faults.append("\(busy) slots are still in use") }
        let (calls, events, runs) = (arena.history.calls, try await arena.events(), try arena.runs())
        self.sent = calls.count
        self.answered = calls.count { $0.isAnswered }
        self.refused = calls.reduce(into: [:]) { counts, call in
            if let status = call.status, status != 200 { counts[status, default: 0] += 1 }
        }
        self.broken = calls.count { $0.status == nil }
        self.lost = calls.count { call in
            call.isAnswered && !(events[call.key] ?? []).contains { $0.state == "answered" }
        }
        self.runTwice = Dictionary(grouping: runs, by: \.key).values.count { $0.count > 1 }
        self.worstRecovery =
            findings.worstRecovery ?? calls.lazy.filter(\.isAnswered).map(\.milliseconds).max() ?? 0
        self.faults += arena.history.faults(
            events: events,
            runs: runs,
            mayBreak: findings.mayBreak
        )
        let refused = calls.count { $0.status != nil && !$0.isAnswered && !findings.mayRefuse($0) }
        if !mayRefuse, refused > 0 { self.faults.append("\(refused) calls were refused") }
        if calls.isEmpty { self.faults.append("no call was made") }
    }

    fileprivate mutating func checkSigns(of scenario: Scenario, on watcher: Watcher) async {
        await watcher.untilSeen(scenario.signs)
        self.faults += watcher.unseen.map { "an operator can't see it: nowhere is it that \($0)" }
        let seen = scenario.signs.count - watcher.unseen.count
        self.notes.append("\(seen) signs seen, of \(watcher.looks) looks at metrics and dashboards")
    }

    fileprivate mutating func note(_ alerts: [Prometheus.Alert]) {
        let names = alerts.map { $0.isFiring ? $0.name : "(\($0.name))" }
        let list = names.isEmpty ? "none" : names.joined(separator: ", ")
        self.notes.append("alerts, in brackets where they were about to: \(list)")
    }
}
