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
    ///
    /// With `endsWith`, it is one that ends by itself, with that code.
    package func start(
        _ program: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        endsWith code: Int32? = nil
    ) async throws -> Member {
        let name = FilePath(program).lastComponent?.string ?? program
        let number = self.members.withLock { $0.count }
        let log = "\(self.folder)/\(number)-\(name).log"
        let life = Life(code.map { .exited($0) } ?? .running)
        // In a task of its own: a cancelled one would not learn what it has started, and nobody would end that.
        let member = try await Task {
            try await Member.start(program, arguments, environment: environment, log: log, life)
        }.value
        self.members.withLock { $0.append(member) }
        try Task.checkCancellation()
        return member
    }

    /// Ends all that still run: in order, or by SIGKILL after 10 s.
    package func end() async {
        let members = self.members.withLock { $0 }
        for member in members { member.requestEnd() }
        for member in members { await member.end() }
    }

    /// What is not as it should be with the processes so far, one line each: one died that nobody killed, did not end in
    /// order when it was asked to, or said that it failed.
    package var faults: [String] { self.members.withLock { $0 }.compactMap(\.fault) }
}

/// One running process.
package struct Member: Sendable {
    package let pid: Int32
    private let name: String
    private let log: String
    private let life: Life
    private let task: Task<Void, Never>

    fileprivate static func start(
        _ program: String,
        _ arguments: [String],
        environment: [String: String],
        log: String,
        _ life: Life
    ) async throws -> Member {
        let output = try FileDescriptor.open(
            FilePath(log),
            .writeOnly,
            options: [.create, .truncate],
            permissions: [.ownerReadWrite, .groupRead, .otherRead]
        )
        let configuration = Configuration(
            executable: .path(FilePath(program)),
            arguments: Arguments(arguments),
            environment: .custom(Self.environment(with: environment))
        )
        let (starts, start) = AsyncThrowingStream<pid_t, any Error>.makeStream()
        // Ends with the process, whose end the fleet awaits.
        let task = Task {
            do {
                let result = try await Subprocess.run(
                    configuration,
                    input: .none,
                    output: .fileDescriptor(output, closeAfterSpawningProcess: true),
                    error: .combinedWithOutput
                ) { start.yield($0.processIdentifier.value) }
                life.ended(result.terminationStatus)
                start.finish()
            } catch {
                start.finish(throwing: error)
            }
        }
        for try await pid in starts {
            let name = FilePath(program).lastComponent?.string ?? program
            return Member(pid: pid, name: name, log: log, life: life, task: task)
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

    package var isRunning: Bool { self.life.status == nil }

    /// Whether it has ended with code 0.
    package var hasSucceeded: Bool { self.life.status?.isSuccess ?? false }

    /// Sends it a signal, such as SIGKILL.
    package func signal(_ signal: Int32) {
        if signal == SIGKILL { self.life.expect(.killed) }
        if self.isRunning { kill(self.pid, signal) }
    }

    /// From now on it may end, in order: somebody tells it to.
    package func expectEnd() { self.life.expect(.exited(0)) }

    /// Ends it in order.
    package func requestEnd() {
        self.expectEnd()
        self.signal(SIGTERM)
    }

    /// Waits for its end, for 10 s at most: then it is killed, which is a fault.
    ///
    /// Also where the caller is cancelled.
    package func end() async { await Task { await self.awaitEnd() }.value }

    private func awaitEnd() async {
        await withTaskGroup { group in
            group.addTask { await self.task.value }
            group.addTask {
                guard (try? await Task.sleep(for: .seconds(10))) != nil, self.isRunning else { return }
                kill(self.pid, SIGKILL)
                await self.task.value
            }
            await group.next()
            group.cancelAll()
        }
    }

    fileprivate var fault: String? {
        let said = self.said
        let last = said.split(separator: "\n").last ?? ""
        if let line = said.split(separator: "\n").first(where: { line in
            ["Fatal error", "Program crashed"].contains { line.contains($0) }
        }) {
            return "\(self.name) (\(self.pid)) said: \(line)"
        }
        switch (self.life.expected, self.life.status) {
        case (_, nil), (.killed, _): return nil
        case (.running, let status?): return "\(self.name) (\(self.pid)) \(status) by itself: \(last)"
        case (.exited(let code), let status?):
            return status == .exited(code)
                ? nil : "\(self.name) (\(self.pid)) \(status) instead of with \(code): \(last)"
        }
    }

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

/// What a process should do, and what it did.
private final class Life: Sendable {
    enum Expected {
        /// Can transition to: killed, exited.
        case running
        case killed
        /// With this code. Can transition to: killed.
        case exited(Int32)
    }

    private struct State {
        var expected: Expected
        var status: TerminationStatus?
    }

    private let state: Mutex<State>

    init(_ expected: Expected) { self.state = Mutex(State(expected: expected)) }

    var expected: Expected { self.state.withLock { $0.expected } }
    var status: TerminationStatus? { self.state.withLock { $0.status } }

    /// What ended before was not expected to.
    func expect(_ expected: Expected) {
        self.state.withLock { state in
            guard state.status == nil else { return }
            switch state.expected {
            case .running: state.expected = expected
            case .exited: if case .killed = expected { state.expected = .killed }
            case .killed: break
            }
        }
    }

    func ended(_ status: TerminationStatus) { self.state.withLock { $0.status = status } }
}
