import HaptikWebhook
import Stage
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A real Prometheus beside a scenario, with the alert rules that we ship: says for which faults it would call somebody.
final class Prometheus: Sendable {
    struct Alert: Hashable {
        let name: String
        /// It would call somebody; otherwise its `for` had not passed.
        let isFiring: Bool
    }

    private let folder: String
    private let port: Int
    /// The admin ports, by job.
    private let targets = Mutex<[String: Set<Int>]>([:])

    private init(folder: String, port: Int) {
        self.folder = folder
        self.port = port
    }

    /// Starts one, as `prometheus-hosts.yml` has it, that finds its targets in files.
    ///
    /// Must be called where the rules are found: in the folder of the project.
    static func start(in folder: String, of fleet: Fleet) async throws -> Prometheus {
        let rules = FileManager.default.currentDirectoryPath + "/Deployment/monitoring/rejoinder-alerts.yml"
        guard FileManager.default.fileExists(atPath: rules) else { throw StageError("there is no \(rules)") }
        let programs = ["/usr/bin/prometheus", "/usr/local/bin/prometheus", "/opt/homebrew/bin/prometheus"]
        guard let program = programs.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw StageError("there is no prometheus, looked for \(programs.joined(separator: ", "))")
        }
        let jobs = ["rejoinder-ingress", "rejoinder-worker"].map { job in
            "  - {job_name: \(job), file_sd_configs: [{files: ['\(folder)/\(job).json']}]}"
        }
        let configuration = """
            global: {scrape_interval: 5s, evaluation_interval: 5s}
            rule_files: ['\(rules)']
            scrape_configs:
            \(jobs.joined(separator: "\n"))
            """
        try Self.write(configuration, to: "\(folder)/prometheus.yml")
        let server = try await fleet.start(
            program,
            [
                "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/prometheus",
                "--web.listen-address=127.0.0.1:0",
            ]
        )
        let port = try await server.port(after: "127.0.0.1:", in: "\"Listening on\" address=")
        return Prometheus(folder: folder, port: port)
    }

    /// From now on scrapes this one too.
    func add(job: String, port: Int) throws {
        let ports = self.targets.withLock { targets in
            targets[job, default: []].insert(port)
            return targets[job, default: []].sorted()
        }
        let addresses = ports.map { "\"127.0.0.1:\($0)\"" }.joined(separator: ", ")
        try Self.write("[{\"targets\": [\(addresses)]}]", to: "\(self.folder)/\(job).json")
    }

    /// All that were pending or fired so far, by name.
    func alerts() async throws -> [Alert] {
        // count by (alertname, alertstate) (count_over_time(ALERTS[1h]))
        let query = "count%20by(alertname,alertstate)(count_over_time(ALERTS%5B1h%5D))"
        guard
            let page = await HTTP.page("/api/v1/query?query=\(query)", port: self.port),
            case .array(let results)? = try JSONValue(parsing: page)["data"]?["result"]
        else { throw StageError("Prometheus does not say which alerts there were") }
        let fired = results.reduce(into: [String: Bool]()) { fired, result in
            guard let name = result["metric"]?["alertname"]?.string else { return }
            fired[name] = fired[name] ?? false || result["metric"]?["alertstate"]?.string == "firing"
        }
        return fired.map { Alert(name: $0, isFiring: $1) }.sorted { $0.name < $1.name }
    }

    private static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    }
}
