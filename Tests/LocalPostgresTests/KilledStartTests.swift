import LocalPostgres
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

@Suite("A start that was killed is not in the way of the next", .serialized, .timeLimit(.minutes(10)))
struct KilledStartTests {
    @Test("what it has left behind ends before the next one", arguments: ["initdb", "pg_ctl"])
    func held(program: String) async throws {
        try await withFolder { folder in
            try await makePrograms(in: folder, holding: program)
            await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
                try await dieStarting(in: folder)
            }
            let postgres = LocalPostgres(
                directory: folder + "/cluster",
                settings: ["fsync": "off"],
                exitAction: .stopAndRemove
            )
            let refusal = LocalPostgresError.startUnderWay(directory: postgres.directory)
            await #expect(throws: refusal) { try await postgres.start() }
            try FileManager.default.removeItem(atPath: folder + "/held")
            try await wait { !postgres.isRunning }
            try await startAfterAnother(postgres)
            #expect(try await psql(postgres.connectionString(over: .tcp), "select 1") == "1")
            try await postgres.remove()
        }
    }
}

/// Starts a cluster as soon as whoever starts or stops it is through.
private func startAfterAnother(_ postgres: LocalPostgres) async throws {
    while true {
        do {
            return try await postgres.start()
        } catch LocalPostgresError.startUnderWay {
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// Makes a folder `programs` with PostgreSQL's server programs, one of which is held: it writes to the file `held`, and
/// ends when that is gone.
///
/// A held pg_ctl has started the server by then, a held initdb has done nothing.
private func makePrograms(in folder: String, holding name: String) async throws {
    let held = folder + "/held"
    try "".write(toFile: held, atomically: true, encoding: .utf8)
    #expect(chmod(held, 0o666) == 0)
    try FileManager.default.createDirectory(atPath: folder + "/programs", withIntermediateDirectories: false)
    let originals = try await LocalPostgres(directory: folder).client("pg_ctl").dropLast("/pg_ctl".count)
    for program in ["initdb", "pg_ctl", "postgres"] {
        let original = "\(originals)/\(program)"
        let holding = """
            case $1 in
            start) \(original) "$@" ;;
            stop) exec \(original) "$@" ;;
            esac
            echo held >\(held)
            while [ -e \(held) ]; do sleep 0.01; done
            """
        let script = "#!/bin/sh\n" + (program == name ? holding : #"exec \#(original) "$@""#) + "\n"
        let path = "\(folder)/programs/\(program)"
        try script.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(chmod(path, 0o755) == 0)
    }
}

/// Starts the cluster in the folder `cluster` with these programs, and kills this process as soon as one is held.
private func dieStarting(in folder: String) async throws {
    setenv("REJOINDER_POSTGRES_BIN", folder + "/programs", 1)
    let postgres = LocalPostgres(directory: folder + "/cluster", settings: ["fsync": "off"], exitAction: .stop)
    _ = Task { try await postgres.start() }
    try await wait { (try? String(contentsOfFile: folder + "/held", encoding: .utf8))?.isEmpty == false }
    kill(getpid(), SIGKILL)
}
