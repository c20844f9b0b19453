import Logging
import ServiceLifecycle
import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A worker as a child process: started again when it ends, drained when the group shuts down.
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
        do {
            let result = try await Subprocess.run(
                self.command[0].contains("/") ? .path(FilePath(self.command[0])) : .name(self.command[0]),
                arguments: Arguments(Array(self.command.dropFirst())),
                environment: .custom(Dictionary(uniqueKeysWithValues: values)),
                platformOptions: options,
                input: .none,
                output: .fileDescriptor(.standardOutput, closeAfterSpawningProcess: false),
                error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false)
            )
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
