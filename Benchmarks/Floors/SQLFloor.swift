import Stage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the queue's functions alone can do: pgbench calls enqueue, claim and answer, durably, over the socket.
struct SQLFloor: Codable, Sendable {
    struct Run: Codable, Sendable {
        let batch: Int
        let clients: Int
        /// Events answered per second.
        let rate: Double
        /// PostgreSQL's CPU time per event, in microseconds.
        let cpu: Double
    }

    var runs: [Run] = []
    /// Enqueue, claim and answer of one event, one after the other, in milliseconds.
    var median = 0.0
    /// The mean of each of them, in milliseconds.
    var means: [Double] = []

    /// The best of a batch's size, whatever the number of clients.
    func rate(batch: Int) -> Double { self.runs.filter { $0.batch == batch }.map(\.rate).max() ?? 0 }

    static func measure(_ bench: Bench) async throws -> SQLFloor {
        try await Deployment.with(bench) { deployment in
            var floor = SQLFloor()
            for batch in bench.isShort ? [1, 200] : [1, 50, 200] {
                for clients in bench.isShort ? [1, 4] : [1, 2, 4] {
                    bench.says("SQL floor, batches of \(batch), \(clients) clients")
                    try await floor.measure(deployment, batch: batch, clients: clients)
                }
            }
            return floor
        }
    }

    /// One client with one event at a time only.
    static func measureAlone(_ bench: Bench) async throws -> SQLFloor {
        try await Deployment.with(bench) { deployment in
            var floor = SQLFloor()
            try await floor.measure(deployment, batch: 1, clients: 1)
            return floor
        }
    }

    private mutating func measure(_ deployment: Deployment, batch: Int, clients: Int) async throws {
        let folder = try deployment.bench.newFolder()
        let script = folder + "/path.sql"
        try QueueSQL.path(batch: batch).write(toFile: script, atomically: true, encoding: .utf8)
        let seconds = max(1, Int(deployment.bench.seconds(5, quick: 2).rounded()))
        let isAlone = batch == 1 && clients == 1
        let database = deployment.database
        // More for each client than there is time for.
        let batches = batch == 1 ? 0 : seconds * 150_000 / batch / clients
        try await database.query(QueueSQL.batches(batches, of: batch, clients: clients))
        let mark = try await database.number(QueueSQL.highWater)
        let start = try await database.query(QueueSQL.idStart)
        let answered = try await database.number(QueueSQL.answered)
        let cpu = database.cpu
        let variables = ["mark=\(mark)", "number=0", "start=\(start)"].flatMap { ["-D", $0] }
        let said = try await database.bench(
            ["-f", script, "-c", "\(clients)", "-T", "\(seconds)"] + variables
                + (isAlone ? ["-r", "-l", "--log-prefix=\(folder)/transactions"] : [])
        )
        // Until the server has collected the processes that have just ended.
        try await Task.sleep(for: .milliseconds(300))
        let used = database.cpu - cpu
        let events = Double(max(1, try await database.number(QueueSQL.answered) - answered))
        self.runs.append(
            Run(
                batch: batch,
                clients: clients,
                rate: events / Double(seconds),
                cpu: used / .microseconds(1) / events
            )
        )
        if isAlone {
            self.median = try Self.median(inLogsOf: folder)
            self.means = Self.means(in: said)
        }
    }

    /// The third word of each line of pgbench's log is the transaction's time in microseconds.
    private static func median(inLogsOf folder: String) throws -> Double {
        let logs = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("transactions") }
        let lines = try logs.flatMap {
            try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8).split(separator: "\n")
        }
        let times = lines.compactMap { $0.split(separator: " ").dropFirst(2).first.flatMap { Double($0) } }.sorted()
        guard !times.isEmpty else { throw StageError("pgbench logged no transaction") }
        return times[times.count / 2] / 1000
    }

    /// pgbench ends with a line per statement, which begins with its mean.
    private static func means(in text: String) -> [Double] {
        let lines = text.split(separator: "\n").drop { !$0.hasPrefix("statement latencies") }.dropFirst()
        return lines.compactMap { $0.split(separator: " ").first.flatMap { Double($0) } }
    }
}
