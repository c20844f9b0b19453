import HaptikWebhook
import LoadGenerator
import LocalPostgres
import NIOCore
import Stage
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One scenario's deployment, and the history of what is done to it.
final class Arena: Sendable {
    /// An ingress with its ports, which it keeps when it is started again.
    struct Ingress: Sendable {
        let member: Member
        let port: Int
        let adminPort: Int

        var url: String { "http://127.0.0.1:\(self.port)/webhook" }
    }

    static let secret = "chaos"

    let fleet: Fleet
    /// In seconds.
    let deadline: Double
    let history = History()
    let watcher: Watcher
    let folder: String
    private let state: Mutex<State>

    private struct State {
        /// Where ingresses and workers find the database: a proxy, or several hosts.
        var databaseURL: String
        /// The primary.
        var database: Database
        var standby: LocalPostgres?
        var ingresses: [Ingress] = []
        var workers: [Member] = []
        /// The workers' admin ports, by their processes.
        var adminPorts: [Int32: Int] = [:]
        var loads = 0
        var proxy: Proxy?
        var prometheus: Prometheus?
    }

    var prometheus: Prometheus? { self.state.withLock { $0.prometheus } }
    var database: Database { self.state.withLock { $0.database } }
    var databaseURL: String { self.state.withLock { $0.databaseURL } }
    var ingresses: [Ingress] { self.state.withLock { $0.ingresses } }
    var workers: [Member] { self.state.withLock { $0.workers } }
    var adminPorts: [Int32: Int] { self.state.withLock { $0.adminPorts } }

    private init(
        _ database: Database,
        _ fleet: Fleet,
        _ watcher: Watcher,
        folder: String,
        deadline: Double
    ) throws {
        self.fleet = fleet
        self.watcher = watcher
        self.folder = folder
        self.deadline = deadline
        self.state = Mutex(
            State(databaseURL: try database.cluster.connectionString(over: .tcp), database: database)
        )
    }

    /// Where the database is, if it has a disk to itself: not what the processes say, which a full one would not take.
    static func disk(in folder: String) -> String { "\(folder)/disk" }

    /// Runs `body` with a new database with the schema.
    static func with<Result>(
        folder: String,
        hasDisk: Bool,
        deadline: Double,
        signs: [Sign],
        _ body: (Arena) async throws -> Result
    ) async throws -> Result {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let disk = hasDisk ? Self.disk(in: folder) : folder
        return try await Database.with(folder: disk, settings: [:]) { database in
            try await Fleet.with(folder: folder) { fleet in
                try await fleet.migrate(databaseURL: database.url)
                for role in ["ingress", "worker"] {
                    try await database.query(
                        "create role chaos_\(role) login password 'chaos' in role rejoinder_\(role)"
                    )
                }
                let arena = try Arena(database, fleet, Watcher(for: signs), folder: folder, deadline: deadline)
                let result: Result
                do {
                    result = try await body(arena)
                } catch {
                    try await arena.state.withLock { $0.standby }?.remove()
                    throw error
                }
                try await arena.state.withLock { $0.standby }?.remove()
                return result
            }
        }
    }

    // MARK: Processes

    func addIngress(_ arguments: [String] = []) async throws {
        let ingress = try await self.startIngress(port: 0, adminPort: 0, arguments)
        self.state.withLock { $0.ingresses.append(ingress) }
    }

    /// Starts it again, where it was.
    func restartIngress(_ index: Int) async throws {
        let old = self.ingresses[index]
        let new = try await self.startIngress(port: old.port, adminPort: old.adminPort, [])
        self.state.withLock { $0.ingresses[index] = new }
    }

    private func startIngress(port: Int, adminPort: Int, _ arguments: [String]) async throws -> Ingress {
        let member = try await self.fleet.startIngress(
            ["--deadline", "\(Int(self.deadline * 1000))ms"] + arguments,
            port: port,
            adminPort: adminPort,
            databaseURL: self.url(as: "ingress"),
            secret: Self.secret
        )
        let ingress = Ingress(
            member: member,
            port: try await member.port(),
            adminPort: try await member.port(after: " admin.port=")
        )
        self.watcher.add(adminPort: ingress.adminPort, hasDashboard: true)
        try self.prometheus?.add(job: "rejoinder-ingress", port: ingress.adminPort)
        return ingress
    }

    @discardableResult
    func addWorker(slots: Int? = nil) async throws -> Member {
        let slots = slots.map { ["--slots", "\($0)"] } ?? []
        let worker = try await self.fleet.start(
            Programs.own,
            ["worker", "--runs", self.folder] + slots,
            environment: ["DATABASE_URL": self.url(as: "worker")]
        )
        let adminPort = try await worker.port(after: " admin.port=", in: "admin port open")
        self.watcher.add(adminPort: adminPort, hasDashboard: false)
        try self.prometheus?.add(job: "rejoinder-worker", port: adminPort)
        self.state.withLock { state in
            state.workers.append(worker)
            state.adminPorts[worker.pid] = adminPort
        }
        return worker
    }

    /// The database's address with the login of a role, which can do its own job and nothing else.
    private func url(as role: String) -> String {
        let url = self.databaseURL
        guard let slashes = url.firstRange(of: "//"), let at = url.firstIndex(of: "@") else { return url }
        return url[..<slashes.upperBound] + "chaos_\(role):chaos" + url[at...]
    }

    /// Waits until so many workers are registered, and every ingress says that it is ready.
    func untilReady() async throws {
        try await self.eventually("all workers are there") {
            try await self.database.number("select count(*) from rejoinder.workers where not missing")
                >= self.workers.count { $0.isRunning }
        }
        for ingress in self.ingresses {
            try await self.eventually("\(ingress.url) is ready") { try await self.isReady(ingress) }
        }
        try await self.watcher.untilAllKnown()
    }

    /// From now on, processes that are started are scraped by a Prometheus with the alert rules.
    func addPrometheus() async throws {
        let prometheus = try await Prometheus.start(in: self.folder, of: self.fleet)
        self.state.withLock { $0.prometheus = prometheus }
    }

    /// From now on, processes find the database behind a proxy.
    func putProxyBefore() async throws {
        let url = self.databaseURL
        guard
            let colon = url.firstRange(of: "@127.0.0.1:")?.upperBound,
            let slash = url[colon...].firstIndex(of: "/"),
            let port = Int(url[colon..<slash])
        else { throw StageError("the database's address names no port") }
        let proxy = try await Proxy.start(before: port)
        self.state.withLock { state in
            state.proxy = proxy
            state.databaseURL = url[..<colon] + "\(proxy.port)" + url[slash...]
        }
    }

    /// From now on, processes find the database on two hosts; a 200 is sent when both have the answer.
    func addStandby() async throws {
        let standby = try await self.database.cluster.addStandby(
            directory: self.folder + "/standby",
            exitAction: .stopAndRemove
        )
        let url = self.databaseURL
        let other = try standby.connectionString(over: .tcp)
        guard
            let slash = url.firstRange(of: "@127.0.0.1:").flatMap({ url[$0.upperBound...].firstIndex(of: "/") }),
            let host = other.firstRange(of: "@").map({ other[$0.upperBound...] }),
            let end = host.firstIndex(of: "/")
        else { throw StageError("the databases' addresses name no host") }
        self.state.withLock { state in
            state.standby = standby
            state.databaseURL = url[..<slash] + "," + host[..<end] + url[slash...]
        }
        try await self.database.query(
            "alter system set synchronous_standby_names = '*'",
            "select pg_reload_conf()"
        )
    }

    func standbyInUse() throws -> LocalPostgres {
        guard let standby = self.state.withLock({ $0.standby }) else { throw StageError("there is no standby") }
        return standby
    }

    /// The primary is another server now.
    func moved(to cluster: LocalPostgres) async throws {
        let database = try await Database(cluster)
        self.state.withLock { $0.database = database }
    }

    func proxyInUse() throws -> Proxy {
        guard let proxy = self.state.withLock({ $0.proxy }) else { throw StageError("there is no proxy") }
        return proxy
    }

    func isReady(_ ingress: Ingress) async throws -> Bool {
        try await HTTP.status(of: "/health/ready", port: ingress.adminPort) == 200
    }

    func eventually(
        _ what: String,
        within patience: Duration = .seconds(30),
        _ isSo: () async throws -> Bool
    ) async throws {
        let end = ContinuousClock.now + patience
        while try await !isSo() {
            guard ContinuousClock.now < end else { throw StageError("it never came that \(what)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Of the workers that are there the one that runs most events at this moment.
    func busiestWorker() async throws -> Member {
        let pids = try await self.database.query(
            """
            select p.pid from rejoinder.live as l join rejoinder.process as p on p.id = l.worker
             group by p.pid order by count(*) desc
            """
        ).split(separator: "\n").compactMap { Int32($0) }
        let running = pids.lazy.compactMap { pid in self.workers.first { $0.pid == pid && $0.isRunning } }
        guard let worker = running.first else { throw StageError("no worker has an event") }
        return worker
    }

    // MARK: Load

    static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    /// Calls at a constant rate, whatever becomes of them; each goes into the history.
    @discardableResult
    func load(
        _ rate: Double,
        seconds: Double,
        node: String = "work",
        milliseconds: Int = 0,
        targets: [Int]? = nil,
        pace: LoadPlan.Pace? = nil
    ) async throws -> LoadResult {
        let prefix = self.state.withLock { state in
            state.loads += 1
            return "\(node)\(state.loads)-"
        }
        let urls = (targets ?? Array(self.ingresses.indices)).map { self.ingresses[$0].url }
        var plan = LoadPlan(
            targets: try urls.map { try LoadTarget(url: $0) },
            body: Template(Self.body(node: node, key: "\(prefix){{n}}", milliseconds: milliseconds)),
            expected: Template("\"\(prefix){{n}}\""),
            signer: try SignatureVerifier(secrets: [Self.secret]),
            pace: pace ?? .open(rate: rate, connections: 15_000)
        )
        plan.duration = .seconds(seconds)
        plan.onEnd = { [history] in history.add($0, prefix: prefix, node: node) }
        let result = try await LoadGenerator(plan).run()
        try Task.checkCancellation()
        return result
    }

    static func body(node: String, key: String, milliseconds: Int) -> String {
        """
        {"node": "\(node)", "event": "API_INTEGRATION", "user": {"user_name": "u"}, "entities": {
          "n": [{"detection": "message", "original_text": "\(key)", "entity_value": "\(key)"}],
          "ms": [{"detection": "message", "original_text": "\(milliseconds)", "entity_value": "\(milliseconds)"}]}}
        """
    }
}
