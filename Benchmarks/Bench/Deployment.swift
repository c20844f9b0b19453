import LoadGenerator
import Stage

/// Everything that takes part in answering: PostgreSQL, ingress and worker processes, all on this machine.
final class Deployment {
    /// An ingress with its public address.
    struct Ingress {
        let member: Member
        let url: String
    }

    let bench: Bench
    let fleet: Fleet
    let database: Database
    private(set) var ingresses: [Ingress] = []
    private(set) var workers: [Member] = []
    /// What the processes get besides.
    let environment: [String: String]

    private init(_ bench: Bench, _ fleet: Fleet, _ database: Database, _ environment: [String: String]) {
        self.environment = environment
        self.bench = bench
        self.fleet = fleet
        self.database = database
    }

    /// Runs `body` with a new, empty database with the schema.
    static func with<Result>(
        _ bench: Bench,
        settings: [String: String] = [:],
        environment: [String: String] = [:],
        _ body: (Deployment) async throws -> Result
    ) async throws -> Result {
        let folder = try bench.newFolder()
        return try await Database.with(folder: folder, settings: settings) { database in
            try await Fleet.with(folder: folder) { fleet in
                try await fleet.migrate(databaseURL: database.url)
                bench.machine.postgres = try await database.query("show server_version")
                return try await body(Deployment(bench, fleet, database, environment))
            }
        }
    }

    /// Starts an ingress, and waits until it listens.
    @discardableResult
    func addIngress(_ arguments: String...) async throws -> Ingress {
        let member = try await self.fleet.startIngress(
            arguments,
            databaseURL: self.database.url,
            secret: SampleCall.secret,
            environment: self.environment
        )
        let ingress = Ingress(member: member, url: try await Self.address(of: member))
        self.ingresses.append(ingress)
        return ingress
    }

    /// Where a member listens, as it says itself.
    static func address(of member: Member) async throws -> String {
        "http://127.0.0.1:\(try await member.port())\(SampleCall.path)"
    }

    /// Starts workers.
    func addWorkers(
        _ count: Int = 1,
        slots: Int? = nil,
        milliseconds: Int = 0,
        adminPort: Int? = nil
    ) async throws {
        let options =
            (slots.map { ["--slots", "\($0)"] } ?? []) + (adminPort.map { ["--admin-port", "\($0)"] } ?? [])
        for _ in 0..<count {
            let worker = try await self.fleet.start(
                Programs.own,
                ["worker", "--milliseconds", "\(milliseconds)"] + options,
                environment: ["DATABASE_URL": self.database.url].merging(self.environment) { $1 }
            )
            self.workers.append(worker)
        }
    }

    /// Ends as many of those that came last.
    func endWorkers(_ count: Int) async {
        let ending = self.workers.suffix(count)
        self.workers.removeLast(count)
        for worker in ending { worker.requestEnd() }
        for worker in ending { await worker.end() }
    }

    /// Waits until all workers are there and calls are answered.
    func untilReady() async throws {
        let end = ContinuousClock.now + .seconds(60)
        while try await self.database.number(QueueSQL.workers) < self.workers.count {
            guard ContinuousClock.now < end else { throw StageError("the workers did not all come up") }
            try await Task.sleep(for: .milliseconds(50))
        }
        try await self.firstAnswer()
    }

    /// Calls every ingress until it gets an answer.
    func firstAnswer() async throws {
        let end = ContinuousClock.now + .seconds(20)
        for ingress in self.ingresses {
            var load = Load(urls: [ingress.url], pace: .closed(connections: 1), seconds: 10)
            load.calls = 1
            while try await !load.run().isRight {
                guard ContinuousClock.now < end else { throw StageError("\(ingress.url) gave no right answer") }
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    /// A load on all ingresses.
    func load(_ pace: LoadPlan.Pace, seconds: Double) -> Load {
        Load(urls: self.ingresses.map(\.url), pace: pace, seconds: seconds)
    }
}
