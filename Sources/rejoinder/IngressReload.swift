import CoreMetrics
import Logging
import RejoinderIngress
import RejoinderMetrics
import ServiceLifecycle
import Settings
import UnixSignals

/// On SIGHUP reads the settings again and replaces the endpoints, with their secrets, deadlines and fallbacks.
///
/// What else has changed waits for a restart, and is named. With anything malformed all stays as it was.
struct IngressReload: Service {
    let flags: IngressFlags
    let environment: [String: String]
    let ingress: Ingress
    let logger: Logger
    /// The file's settings as they were read at the start.
    let started: [String: String]
    /// SIGHUP, from before they were read on: until it is trapped it ends the process.
    let hangUps: UnixSignalsSequence

    func run() async throws {
        for await _ in self.hangUps.cancelOnGracefulShutdown() { self.reload() }
    }

    private func reload() {
        do throws(SettingError) {
            let (reader, file) = try self.flags.read(environment: self.environment)
            let options = try self.flags.options(reader, file, environment: self.environment)
            self.ingress.replaceEndpoints(with: options.endpoints)
            self.logger.notice(
                "read the configuration again",
                metadata: ["endpoints": "\(options.endpoints.map(\.path).joined(separator: " "))"]
            )
            let waiting = self.changesThatWait(in: file?.values ?? [:])
            guard !waiting.isEmpty else { return }
            self.logger.warning(
                "these settings have changed and need a restart",
                metadata: ["settings": "\(waiting.joined(separator: " "))"]
            )
        } catch {
            Counter(.reloadFailures).increment()
            self.logger.error(
                "the configuration can't be used, keeping the one in use",
                metadata: ["error": "\(error)"]
            )
        }
    }

    private func changesThatWait(in values: [String: String]) -> [String] {
        Set(self.started.keys).union(values.keys)
            .filter { !IngressSettings.reloadedKeys.contains($0) && self.started[$0] != values[$0] }
            .sorted()
    }
}

extension IngressReload: CustomStringConvertible {
    /// Without the environment and the file's values, which hold secrets: the service group logs its services.
    var description: String { "IngressReload" }
}
