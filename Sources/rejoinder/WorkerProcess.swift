import LocalPostgres
import Logging
import ServiceLifecycle
import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A worker as a child process: started again when it ends, drained when the group shuts down, and ended should this
/// process be killed.
struct WorkerProcess: Service {
    let command: [String]
    let environment: [String: String]
    let logger: Logger

    /// The sample worker, beside this program.
    static var sample: String {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return FilePath(program ?? CommandLine.arguments[0]).removingLastComponent()
            .appending("product-price-worker").string
    }

    /// Ends the worker, with less time than a drain has: its database goes at the same moment.
    private static let exitScript = """
        kill "$1"
        for second in 1 2 3 4 5; do
            sleep 1
            kill -0 "$1" || exit
        done
        kill -KILL "$1"
        """

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var pause = Duration.seconds(1)
            while !Task.isCancelled {
                let start = ContinuousClock.now
                await self.runOnce()
                // One that can't start, or isn't built, is tried again at a pace that one can read.
                pause = .now - start > .seconds(20) ? .seconds(1) : min(pause * 2, .seconds(8))
                try? await Task.sleep(for: pause)
            }
        }
    }

    private func runOnce() async {
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(32))]
        let values = self.environment.map { (Environment.Key(stringLiteral: $0), $1) }
        var exitGuard: ExitGuard?
        defer { exitGuard?.disarm() }
        do {
            let result = try await Subprocess.run(
                self.command[0].contains("/") ? .path(FilePath(self.command[0])) : .name(self.command[0]),
                arguments: Arguments(Array(self.command.dropFirst())),
                environment: .custom(Dictionary(uniqueKeysWithValues: values)),
                platformOptions: options,
                input: .none,
                output: .fileDescriptor(.standardOutput, closeAfterSpawningProcess: false),
                error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false)
            ) { execution in
                exitGuard = try await ExitGuard(running: Self.exitScript, ["\(execution.processIdentifier.value)"])
            }
            if !Task.isCancelled {
                self.logger.error(
                    "the worker ended, starting it again",
                    metadata: ["status": "\(result.terminationStatus)"]
                )
            }
        } catch {
            self.logger.error(
                "the worker can't be started",
                metadata: ["command": "\(self.command.joined(separator: " "))", "error": "\(error)"]
            )
        }
    }
}
