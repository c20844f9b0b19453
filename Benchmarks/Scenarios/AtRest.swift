import Stage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension Scenario {
    static let atRest = Scenario(letter: "l", title: "nothing to do") { bench in
        // The server's log says who asked for what.
        let settings = ["log_statement": "all", "log_line_prefix": "%p|"]
        return try await Deployment.with(bench, settings: settings) { deployment in
            try await deployment.addIngress()
            let ingress = try await deployment.rest("ingress", deployment.ingresses[0].member)
            try await deployment.addWorkers()
            try await deployment.untilReady()
            return try await ingress + deployment.rest("worker", deployment.workers[0])
        }
    }
}

extension Deployment {
    /// Watches a process that nobody asks for anything.
    fileprivate func rest(_ name: String, _ member: Member) async throws -> [Row] {
        let seconds = max(5, self.bench.seconds(30, quick: 20))
        self.bench.says("l: \(name) at rest")
        // By then nothing has been queued for so long that it asks less.
        try await Task.sleep(for: .seconds(self.bench.isShort ? 1 : 45))
        let backends = try await self.backends(of: member)
        let statements = try self.statements(by: backends)
        let wakeUps = ProcessFigures.wakeUps(of: member.pid)
        let cpu = ProcessFigures(member.pid)?.cpu ?? .zero
        try await Task.sleep(for: .seconds(seconds))
        let used = (ProcessFigures(member.pid)?.cpu ?? .zero) - cpu
        let woken = ProcessFigures.wakeUps(of: member.pid) - wakeUps
        let asked = try self.statements(by: backends) - statements
        let share = used / .seconds(seconds) * 100
        let queries = Double(asked) / seconds
        return [
            Row("l", "CPU of \(name) at rest", "\(share.text(2)) %", target: "< 0.5 %", isMet: share < 0.5),
            Row("l", "queries of \(name) at rest", "\(queries.text(1))/s", target: "≤ 3/s", isMet: queries <= 3),
            Row("l", "wake-ups of \(name) at rest", "\((Double(woken) / seconds).text(1))/s"),
        ]
    }

    /// The server's processes that serve a member: those at the other end of its sockets.
    private func backends(of member: Member) async throws -> Set<String> {
        let name = self.workers.contains { $0.pid == member.pid } ? "worker" : "rejoinder-ingress"
        let answer = try await self.database.query(
            "select pid from pg_stat_activity where application_name = '\(name)'"
        )
        let pids = Set(answer.split(separator: "\n").map(String.init))
        guard !pids.isEmpty else { throw StageError("no connection is called \(name)") }
        return pids
    }

    /// How many statements these processes have carried out.
    private func statements(by backends: Set<String>) throws -> Int {
        let log = try String(contentsOfFile: self.database.log, encoding: .utf8)
        return log.split(separator: "\n").count { line in
            guard let bar = line.firstIndex(of: "|"), backends.contains(String(line[..<bar])) else { return false }
            let text = line[line.index(after: bar)...]
            return text.hasPrefix("LOG:  execute ") || text.hasPrefix("LOG:  statement: ")
        }
    }
}
