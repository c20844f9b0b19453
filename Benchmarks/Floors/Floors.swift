import LoadGenerator
import Stage

/// What HTTP alone and PostgreSQL alone can do on this machine, each measured once in a run.
final class Floors {
    private let bench: Bench
    private var http: [Int: Measurement] = [:]
    private var sql: SQLFloor?

    init(_ bench: Bench) {
        self.bench = bench
    }

    /// The ingress without a queue, at so many connections.
    func http(connections: Int) async throws -> LoadResult {
        if let known = self.http[connections] { return known.load }
        self.bench.says("HTTP floor, \(connections) connections")
        let measurement = try await self.measureHTTP(connections: connections)
        self.http[connections] = measurement
        return measurement.load
    }

    /// The same, anew each time.
    func measureHTTP(connections: Int, newConnections: Bool = false) async throws -> Measurement {
        try await Fleet.with(folder: try self.bench.newFolder()) { fleet in
            let server = try await fleet.start(Programs.own, ["http-floor"])
            let url = try await Deployment.address(of: server)
            var load = Load(urls: [url], pace: .closed(connections: connections), seconds: 1)
            load.reply = Template(InlineQueue.answer)
            load.newConnections = newConnections
            _ = try await load.run()
            load.seconds = self.bench.seconds(10, quick: 3)
            let (own, servers) = (ProcessFigures.ownCPU, ProcessFigures(server.pid)?.cpu ?? .zero)
            let result = try await load.run()
            guard result.isRight else { throw StageError("the HTTP floor did not answer all calls right") }
            let calls = Double(max(1, result.sent))
            var measurement = Measurement(load: result)
            measurement.cpu.load = (ProcessFigures.ownCPU - own) / .microseconds(1) / calls
            measurement.cpu.ingress = ((ProcessFigures(server.pid)?.cpu ?? .zero) - servers) / .microseconds(1) / calls
            measurement.ingressPeakMiB = ProcessFigures.memory(.mostResident, of: server.pid)
            return measurement
        }
    }

    /// The three functions without HTTP.
    func sql() async throws -> SQLFloor {
        if let sql { return sql }
        let floor = try await SQLFloor.measure(self.bench)
        self.sql = floor
        return floor
    }

    /// Those that were measured, as lines of the table.
    var rows: [Row] {
        let http = self.http.sorted { $0.key < $1.key }.map { connections, measurement in
            Row("HTTP", "no queue, connections: \(connections)", measurement.load.rate.perSecond, measurement)
        }
        let sql = (self.sql?.runs ?? []).map { run in
            Row(
                "SQL",
                "batches of \(run.batch), clients: \(run.clients)",
                run.rate.perSecond,
                floors: "\(run.cpu.text(1)) µs of CPU per event"
            )
        }
        return http + sql
    }

    /// All that was measured.
    var measured: Measured { Measured(http: self.http, sql: self.sql) }

    struct Measured: Codable, Sendable {
        /// By connections.
        let http: [Int: Measurement]
        let sql: SQLFloor?
    }
}
