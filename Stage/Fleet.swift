import Subprocess
import Synchronization
import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The processes of one scenario; none outlives it.
package final class Fleet: Sendable {
    private let folder: String
    private let members = Mutex<[Member]>([])

    private init(folder: String) {
        self.folder = folder
    }

    /// Runs `body`, then ends all that it has started: in order, or by SIGKILL after 10 s.
    package static func with<Result>(folder: String, _ body: (Fleet) async throws -> Result) async throws -> Result {
        let fleet = Fleet(folder: folder)
        let result: Result
        do {
            result = try await body(fleet)
        } catch {
            await fleet.end()
            throw error
        }
        await fleet.end()
        return result
    }

    /// Starts a program; what it says goes to a log in the scenario's folder.
    package func start(
        _ program: String,
        _ arguments: [String],
        environment: [String: String] = [:]
    ) async throws -> Member {
        let name = FilePath(program).lastComponent?.string ?? program
        let number = self.members.withLock { $0.count }
        let log = "\(self.folder)/\(number)-\(name).log"
        let member = try await Member.start(program, arguments, environment: environment, log: log)
        self.members.withLock { $0.append(member) }
        return member
    }

    private func end() async {
        let members = self.members.withLock { $0 }
        for member in members { member.requestEnd() }
        for member in members { await member.end() }
    }
}

/// One running process.
package struct Member: Sendable {
    package let pid: Int32
    private let name: String
    private let log: String
    private let task: Task<Void, Never>

    fileprivate static func start(
        _ program: String,
        _ arguments: [String],
        environment: [String: String],
        log: String
    ) async throws -> Member {
        let output = try FileDescriptor.open(
            FilePath(log),
            .writeOnly,
            options: [.create, .truncate],
            permissions: [.ownerReadWrite, .groupRead, .otherRead]
        )
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
        let configuration = Configuration(
            executable: .path(FilePath(program)),
            arguments: Arguments(arguments),
            environment: .custom(Self.environment(with: environment)),
            platformOptions: options
        )
        let (starts, start) = AsyncThrowingStream<pid_t, any Error>.makeStream()
        // Ends with the process, whose end the fleet awaits.
        let task = Task {
            do {
                _ = try await Subprocess.run(
                    configuration,
                    input: .none,
                    output: .fileDescriptor(output, closeAfterSpawningProcess: true),
                    error: .combinedWithOutput
                ) { start.yield($0.processIdentifier.value) }
                start.finish()
            } catch {
                start.finish(throwing: error)
            }
        }
        for try await pid in starts {
            return Member(pid: pid, name: FilePath(program).lastComponent?.string ?? program, log: log, task: task)
        }
        throw StageError("\(program) was not started")
    }

    /// Ours, without what would have a say in what is measured.
    private static func environment(with values: [String: String]) -> [Environment.Key: String] {
        let inherited = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("REJOINDER_") && !$0.key.hasPrefix("PG") && $0.key != "DATABASE_URL"
        }
        let all = inherited.merging(values) { $1 }
        return Dictionary(uniqueKeysWithValues: all.map { (Environment.Key(stringLiteral: $0), $1) })
    }

    package var isRunning: Bool { kill(self.pid, 0) == 0 }

    /// Sends it a signal, such as SIGKILL.
    package func signal(_ signal: Int32) { kill(self.pid, signal) }

    /// Ends it in order.
    package func requestEnd() { self.task.cancel() }

    /// Waits for its end.
    package func end() async { await self.task.value }

    /// What it has said so far.
    package var said: String { (try? String(contentsOfFile: self.log, encoding: .utf8)) ?? "" }

    /// Waits for a line that contains a text.
    package func line(containing text: String, within patience: Duration = .seconds(20)) async throws -> Substring {
        let end = ContinuousClock.now + patience
        while ContinuousClock.now < end {
            let lines = self.said.split(separator: "\n")
            if let line = lines.first(where: { $0.contains(text) }) { return line }
            guard self.isRunning else { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        let last = self.said.split(separator: "\n").last.map { ", but \"\($0)\"" } ?? ""
        throw StageError("\(self.name) did not say \"\(text)\"\(last)")
    }
}
