import Subprocess
import SystemPackage

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// One run of a program: in the folder `/`, in the C locale, without the caller's `PG*` variables and secrets.
struct Command: Sendable {
    /// What a program said and whether it exited with 0.
    struct Outcome: Sendable {
        let succeeded: Bool
        let output: String
        let error: String

        /// The last line of what it said, of its errors when there are any.
        var lastLine: String {
            let text = error.contains { !$0.isWhitespace } ? error : output
            return text.split(separator: "\n").last.map { String($0) } ?? "it said nothing"
        }
    }

    let program: String
    let arguments: [String]
    let user: ServerUser?
    /// In a session of its own, so that a Ctrl-C in the terminal doesn't reach it.
    let detached: Bool
    /// Held by the program as well, as its standard input: should this process die, the start lasts as long as that.
    let lock: StartLock?

    init(
        _ program: String,
        _ arguments: [String],
        as user: ServerUser? = nil,
        detached: Bool = false,
        holding lock: StartLock? = nil
    ) {
        self.program = program
        self.arguments = arguments
        self.user = user
        self.detached = detached
        self.lock = lock
    }

    /// Runs the program to its end; it is killed when the task is cancelled.
    ///
    /// - Throws: `.programFailed` when it can't be run at all. An exit code other than 0 is an outcome.
    func run() async throws(LocalPostgresError) -> Outcome {
        do {
            guard let lock else { return try await outcome(input: .none) }
            let input = FileDescriptor(rawValue: lock.descriptor)
            return try await outcome(input: .fileDescriptor(input, closeAfterSpawningProcess: false))
        } catch {
            throw .programFailed(name: name, reason: "\(error)")
        }
    }

    private func outcome(input: some InputProtocol) async throws -> Outcome {
        let result = try await Subprocess.run(
            configuration,
            input: input,
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        return Outcome(
            succeeded: result.terminationStatus.isSuccess,
            output: result.standardOutput,
            error: result.standardError
        )
    }

    /// Runs the program with `input` as its standard input, and lets its output go.
    ///
    /// - Throws: `.programFailed` when it can't be run or exits with anything but 0.
    func run(input: FileDescriptor) async throws(LocalPostgresError) {
        do {
            let input = FileDescriptorInput.fileDescriptor(input, closeAfterSpawningProcess: true)
            let result = try await Subprocess.run(configuration, input: input, output: .discarded, error: .discarded)
            if result.terminationStatus.isSuccess { return }
        } catch {
            throw .programFailed(name: name, reason: "\(error)")
        }
        throw .programFailed(name: name, reason: "it did not exit with 0")
    }

    /// Runs the program.
    ///
    /// - Throws: `.programFailed` with its last line when it exits with anything but 0.
    func runOrThrow() async throws(LocalPostgresError) {
        let outcome = try await run()
        if !outcome.succeeded { throw .programFailed(name: name, reason: outcome.lastLine) }
    }

    private var name: String { program.split(separator: "/").last.map { String($0) } ?? program }

    /// `setpriv` changes the user, not Subprocess's own options for it: those call `setgroups` and `setuid` in a child
    /// that was cloned behind the C library's back, where they wait for ever for a thread that was just being made.
    private var configuration: Configuration {
        var options = PlatformOptions()
        options.createSession = detached
        return Configuration(
            executable: user == nil ? .path(FilePath(program)) : .name("setpriv"),
            arguments: Arguments(identity + arguments),
            environment: .custom(Self.environment()),
            workingDirectory: "/",
            platformOptions: options
        )
    }

    private var identity: [String] {
        user.map { ["--reuid=\($0.uid)", "--regid=\($0.gid)", "--clear-groups", "--", program] } ?? []
    }

    private static func environment() -> [Environment.Key: String] {
        var values: [Environment.Key: String] = ["LC_ALL": "C", "HOME": "/"]
        values["PATH"] = variable("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
        values["LD_LIBRARY_PATH"] = variable("LD_LIBRARY_PATH")
        return values
    }

    /// A variable of this process's own environment.
    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
