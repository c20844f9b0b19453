import RejoinderMetrics
import Stage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What a fault has left behind.
extension Arena {
    func runs() throws -> [HandlerRun] { try RunJournal.runs(in: self.folder) }

    /// Every event that the database has kept, by its call's key.
    func events() async throws -> [String: [History.Event]] {
        let rows = try await self.database.query(
            """
            select p.payload #>> '{entities,n,0,entity_value}', e.state, e.answer #>> '{response,0}'
              from rejoinder.received as p
              join rejoinder.event as e on e.id = p.id
            """
        )
        var events: [String: [History.Event]] = [:]
        for row in rows.split(separator: "\n") {
            let fields = row.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3 else { throw StageError("a row of events is \"\(row)\"") }
            events[fields[0], default: []].append(History.Event(state: fields[1], answer: fields[2]))
        }
        return events
    }

    /// Waits until nothing is queued or running; what is left after a minute.
    func leftOver() async throws -> Int {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            let left = try await self.database.number("select count(*) from rejoinder.queue")
            if left == 0 || ContinuousClock.now > end { return left }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Waits until no live worker has a slot in use; how many are left after a while.
    func busySlots() async throws -> Int {
        let end = ContinuousClock.now + .seconds(10)
        while true {
            let busy = try await self.database.number(
                "select coalesce(sum(busy), 0) from rejoinder.workers where not missing"
            )
            if busy == 0 || ContinuousClock.now > end { return busy }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// What the living processes hold.
    func holdings() -> [Holding] {
        (self.ingresses.map(\.member) + self.workers).filter(\.isRunning).compactMap { Holding($0.pid) }
    }

    /// Waits until no process holds much more than they did before the load; what does not hold.
    func leaks(since before: [Holding]) async throws -> [String] {
        // Connections that are made when they are first needed, and what is kept for the next batch.
        let descriptors = (before.map(\.descriptors).max() ?? 0) + 16
        let memory = (before.map(\.memory).max() ?? 0) + 200 << 20
        let end = ContinuousClock.now + .seconds(10)
        while true {
            let leaks = self.holdings().compactMap { holding in
                if holding.descriptors > descriptors { return "a process holds \(holding.descriptors) descriptors" }
                if holding.memory > memory { return "a process holds \(holding.memory >> 20) MiB" }
                return nil
            }
            if leaks.isEmpty || ContinuousClock.now > end { return leaks }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Waits until no process has anything in hand, by its own account, and none holds more sessions than it needs; what does
    /// not hold after a while.
    func inHand() async throws -> [String] {
        let end = ContinuousClock.now + .seconds(15)
        while true {
            var inHand: [String] = []
            for ingress in self.ingresses where ingress.member.isRunning {
                inHand += await self.inHand(ingress.member, ingress.adminPort, [.waitingCalls, .waitingBytes])
            }
            for worker in self.workers where worker.isRunning {
                inHand += await self.inHand(worker, self.adminPorts[worker.pid] ?? 0, [.slotsBusy])
            }
            inHand += try await self.sessions(of: "ingress", self.ingresses.count(where: \.member.isRunning))
            inHand += try await self.sessions(of: "worker", self.workers.count(where: \.isRunning))
            if inHand.isEmpty || ContinuousClock.now > end { return inHand }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func inHand(_ member: Member, _ adminPort: Int, _ metrics: [Metric]) async -> [String] {
        guard let page = await HTTP.page("/metrics", port: adminPort) else {
            return ["process \(member.pid) can't be scraped"]
        }
        let scrape = Scrape(text: page)
        return metrics.compactMap { metric in
            guard let value = scrape[metric.name] else { return "process \(member.pid) has no \(metric.name)" }
            return value == 0 ? nil : "\(metric.name) of process \(member.pid) is \(value)"
        }
    }

    /// A process has a connection for its session and one for the path of events, and few more.
    private func sessions(of role: String, _ processes: Int) async throws -> [String] {
        let count = try await self.database.number(
            "select count(*) from pg_stat_activity where usename = 'chaos_\(role)'"
        )
        return count <= 6 * processes ? [] : ["\(count) sessions of \(processes) processes of role \(role)"]
    }
}

/// What a process holds, as Linux sees it.
struct Holding {
    let descriptors: Int
    /// Bytes in memory.
    let memory: Int

    init?(_ pid: Int32) {
        guard
            let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd"),
            let pages = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)
                .split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        self.descriptors = names.count
        self.memory = pages * Int(getpagesize())
    }
}
