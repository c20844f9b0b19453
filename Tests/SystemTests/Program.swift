import Subprocess
import Synchronization
import SystemPackage
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// One of the package's programs, as a running process.
final class Program: Sendable {
    private struct State {
        var lines: [String] = []
        var waiting: [(contains: String, continuation: CheckedContinuation<String?, Never>)] = []
        var hasEnded = false
        var pid: ProcessIdentifier?
    }

    private let state = Mutex(State())
    private let name: String

    private init(_ name: String) {
        self.name = name
    }

    /// Where the build puts programs: beside the test runner; a path is taken as it is.
    static func path(of name: String) throws -> FilePath {
        if name.hasPrefix("/") { return FilePath(name) }
        let runner = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return FilePath(runner).removingLastComponent().appending(name)
    }

    /// Runs a program while `body` runs, then ends it: in order, or by SIGKILL after 20 s.
    ///
    /// - Returns: how it ended.
    @discardableResult
    static func with(
        _ name: String,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        _ body: (Program) async throws -> Void
    ) async throws -> TerminationStatus {
        let program = Program(name)
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(20))]
        let values = environment.map { (Environment.Key(stringLiteral: $0), Optional($1)) }
        let configuration = Configuration(
            executable: .path(try self.path(of: name)),
            arguments: Arguments(arguments),
            environment: .inherit.updating(Dictionary(uniqueKeysWithValues: values)),
            platformOptions: options
        )
        let result = try await Subprocess.run(
            configuration,
            input: .none,
            output: .sequence,
            error: .combinedWithOutput
        ) { execution in
            program.state.withLock { $0.pid = execution.processIdentifier }
            async let reading: Void = program.read(execution.standardOutput)
            do {
                try await body(program)
                program.signal(.terminate)
            } catch {
                for line in program.lines.suffix(30) { print("[\(name)] \(line)") }
                program.signal(.terminate)
                try await reading
                throw error
            }
            try await reading
        }
        return result.terminationStatus
    }

    /// Runs a program to its end.
    static func run(
        _ name: String,
        _ arguments: [String],
        environment: [String: String] = [:]
    ) async throws -> (status: TerminationStatus, lines: [String]) {
        let lines = Mutex<[String]>([])
        let status = try await self.with(name, arguments, environment: environment) { program in
            await program.end()
            lines.withLock { $0 = program.lines }
        }
        return (status, lines.withLock { $0 })
    }

    /// What it has printed so far, to both outputs.
    var lines: [String] { self.state.withLock { $0.lines } }

    func signal(_ signal: Signal) {
        guard let pid = self.state.withLock({ $0.hasEnded ? nil : $0.pid }) else { return }
        _ = kill(pid.value, signal.rawValue)
    }

    /// Sets how many files it may have open from now on; those that it has it keeps.
    func limitFiles(to count: Int) async throws {
        let pid = try #require(self.state.withLock { $0.pid })
        let result = try await Subprocess.run(
            .name("prlimit"),
            arguments: ["--pid", "\(pid.value)", "--nofile=\(count):"],
            output: .discarded
        )
        try #require(result.terminationStatus.isSuccess)
    }

    /// Waits for a line that contains the text; fails when the program ends without one.
    @discardableResult
    func line(containing text: String) async throws -> String {
        let line = await withCheckedContinuation { continuation in
            let known: String?? = self.state.withLock { state in
                if let line = state.lines.first(where: { $0.contains(text) }) { return .some(line) }
                if state.hasEnded { return .some(nil) }
                state.waiting.append((text, continuation))
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
        return try #require(line, "\(self.name) ended without saying \"\(text)\": \(self.lines.suffix(5))")
    }

    /// The admin port of a worker, as it says.
    func adminPort() async throws -> Int {
        let line = try await self.line(containing: "admin port open")
        return try #require(line.split(separator: "admin.port=").last.flatMap { Int($0.prefix { $0.isNumber }) })
    }

    /// Waits for its end.
    func end() async {
        // No line contains a newline: only the end resumes this.
        _ = await withCheckedContinuation { continuation in
            let hasEnded = self.state.withLock { state in
                if !state.hasEnded { state.waiting.append(("\n", continuation)) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume(returning: nil) }
        }
    }

    private func read(_ output: SubprocessOutputSequence) async throws {
        for try await line in output.strings() {
            let line = line.trimmingSuffix { $0.isNewline }
            let ready = self.state.withLock { state in
                state.lines.append(line)
                let ready = state.waiting.filter { line.contains($0.contains) }
                state.waiting.removeAll { line.contains($0.contains) }
                return ready
            }
            for waiter in ready { waiter.continuation.resume(returning: line) }
        }
        let left = self.state.withLock { state in
            state.hasEnded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in left { waiter.continuation.resume(returning: nil) }
    }
}

extension String {
    func trimmingSuffix(while predicate: (Character) -> Bool) -> String {
        var text = self[...]
        while let last = text.last, predicate(last) { text.removeLast() }
        return String(text)
    }
}
