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

@Suite("A private cluster says clearly what it can't do", .serialized, .timeLimit(.minutes(10)))
struct RefusalTests {
    @Test("a second start refuses and harms nothing; of two at once one wins")
    func secondStart() async throws {
        try await withCluster { postgres in
            let error = await #expect(throws: LocalPostgresError.self) { try await postgres.start() }
            let expected = "PostgreSQL already runs in \(postgres.directory) (process "
            #expect(error?.description.hasPrefix(expected) == true)
            #expect(error?.description.contains("run 'kill -INT ") == true)
            #expect(try await psql(postgres.connectionString(), "select 1") == "1")

            try await postgres.stop()
            let outcomes = await withTaskGroup { group in
                for _ in 0..<3 { group.addTask { await Self.startSucceeds(postgres) } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.filter(\.self).count == 1)
            #expect(try await psql(postgres.connectionString(), "select 1") == "1")
        }
    }

    private static func startSucceeds(_ postgres: LocalPostgres) async -> Bool {
        do {
            try await postgres.start()
            return true
        } catch {
            return false
        }
    }

    @Test("a folder with something else in it is refused and left alone")
    func foreignFolder() async throws {
        try await withFolder { folder in
            try "mine".write(toFile: folder + "/letter", atomically: true, encoding: .utf8)
            let postgres = LocalPostgres(directory: folder)
            await #expect(throws: LocalPostgresError.notACluster(directory: folder)) { try await postgres.start() }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["letter"])
        }
    }

    @Test("half a data directory of an interrupted start is made anew")
    func interruptedStart() async throws {
        try await withFolder { folder in
            let half = folder + "/data.new"
            try FileManager.default.createDirectory(atPath: half, withIntermediateDirectories: false)
            try "15".write(toFile: half + "/PG_VERSION", atomically: true, encoding: .utf8)
            let postgres = LocalPostgres(directory: folder, settings: ["fsync": "off"], exitAction: .stopAndRemove)
            try await postgres.start()
            #expect(try await psql(postgres.connectionString(), "select 1") == "1")
            try await postgres.remove()
        }
    }

    @Test("a failed start gives the server's own reason, and a better one succeeds after it")
    func badSetting() async throws {
        try await withFolder { folder in
            let wrong = LocalPostgres(directory: folder, settings: ["work_mem": "plenty"])
            let error = try #require(await #expect(throws: LocalPostgresError.self) { try await wrong.start() })
            let text = "\(error)"
            #expect(text.contains(#"FATAL:  invalid value for parameter "work_mem": "plenty""#))
            #expect(text.hasSuffix("(log: \(folder)/log)"))
            #expect(!wrong.isRunning)

            let right = LocalPostgres(directory: folder, settings: ["fsync": "off"], exitAction: .stopAndRemove)
            try await right.start()
            try await right.remove()
        }
    }

    @Test("a requested port that is taken is named")
    func takenPort() async throws {
        try await withCluster { postgres in
            let address = try postgres.connectionString(over: .tcp)
            let port = try #require(address.split(separator: ":").last?.split(separator: "/").first.flatMap { Int($0) })
            try await withFolder { folder in
                let other = LocalPostgres(directory: folder, port: port)
                await #expect(throws: LocalPostgresError.portTaken(port)) { try await other.start() }
            }
        }
    }

    @Test("a folder that the server's user can't reach is named, with the one that is closed")
    func closedFolder() async throws {
        guard geteuid() == 0 else { return }
        try await withFolder { folder in
            let closed = folder + "/closed"
            try FileManager.default.createDirectory(atPath: closed, withIntermediateDirectories: false)
            #expect(chmod(closed, 0o700) == 0)
            let inner = LocalPostgres(directory: closed + "/inner")
            let expected = LocalPostgresError.unreachable(directory: inner.directory, barrier: closed, user: "postgres")
            await #expect(throws: expected) { try await inner.start() }
        }
    }

    @Test("a cluster that doesn't run or exist says so")
    func nothingThere() async throws {
        try await withFolder { folder in
            let postgres = LocalPostgres(directory: folder)
            #expect(throws: LocalPostgresError.neverStarted(directory: folder)) { try postgres.connectionString() }
            await #expect(throws: LocalPostgresError.notRunning(directory: folder)) {
                try await postgres.createDatabase("a")
            }
            await #expect(throws: LocalPostgresError.notRunning(directory: folder)) { try await postgres.kill() }
            try await postgres.stop()
            try await postgres.remove()
            #expect(!exists(folder))
        }
    }

    @Test("a missing installation tells what to install, in one line")
    func descriptions() {
        #expect("\(LocalPostgresError.programsNotFound)".hasSuffix("run 'apt-get install postgresql'"))
        let tail = ["LOG:  one", "FATAL:  two", "LOG:  three"]
        let failed = LocalPostgresError.startFailed(log: "/x/log", logTail: tail)
        #expect("\(failed)" == "PostgreSQL did not start: FATAL:  two (log: /x/log)")
    }
}
