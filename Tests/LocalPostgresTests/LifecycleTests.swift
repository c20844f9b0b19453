import LocalPostgres
import Subprocess
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

@Suite("A private cluster lives and ends", .serialized, .timeLimit(.minutes(10)))
struct LifecycleTests {
    @Test("a start from nothing answers over the socket and over TCP; a stop ends it; a removal deletes it")
    func fromNothing() async throws {
        try await withFolder { folder in
            let postgres = LocalPostgres(directory: folder + "/a/b", exitAction: .stopAndRemove)
            #expect(!postgres.isRunning)
            try await postgres.start()
            #expect(postgres.isRunning)
            #expect(try await psql(postgres.connectionString(over: .socket), "select 1") == "1")
            #expect(try await psql(postgres.connectionString(over: .tcp), "select 2") == "2")
            let question = "show server_encoding; show max_connections; show fsync"
            #expect(try await psql(postgres.connectionString(), question) == "UTF8\n200\non")
            try await postgres.stop()
            #expect(!postgres.isRunning)
            try await postgres.stop()
            try await postgres.remove()
            #expect(!exists(postgres.directory))
        }
    }

    @Test("a stop of any kind and a start keep the data, the port and the socket", arguments: [true, false])
    func restarts(orderly: Bool) async throws {
        try await withCluster { postgres in
            let before = try postgres.connectionString(over: .tcp)
            _ = try await psql(before, "create table kept as select 42 as value")
            if orderly {
                try await postgres.restart(.immediate)
            } else {
                try await postgres.kill()
                #expect(!postgres.isRunning)
                try await postgres.start()
            }
            #expect(try postgres.connectionString(over: .tcp) == before)
            #expect(try await psql(before, "select value from kept") == "42")
            #expect(try await psql(postgres.connectionString(), "select value from kept") == "42")
        }
    }

    @Test("started by root, all that the folder holds still belongs to the server's user")
    func owner() async throws {
        guard geteuid() == 0 else { return }
        try await withCluster { postgres in
            try await postgres.restart()
            var owners: Set<uid_t> = []
            for entry in try FileManager.default.contentsOfDirectory(atPath: postgres.directory) {
                var status = stat()
                let found = stat(postgres.directory + "/" + entry, &status)
                #expect(found == 0)
                owners.insert(status.st_uid)
            }
            #expect(owners.count == 1)
            #expect(!owners.contains(0))
        }
    }

    @Test("lock files that outlived their server count for nothing, whoever has its number since")
    func staleLockFiles() async throws {
        try await withCluster { other in
            let server = try Self.lines(of: other.directory + "/data/postmaster.pid")[0]
            // Without CAP_SYS_PTRACE root can't tell the servers of two clusters apart.
            let servers = exists("/proc/\(server)/cwd") ? [server] : []
            try await withCluster { postgres in
                try await Self.withSleeper { sleeper in
                    for stranger in servers + [sleeper] {
                        try await postgres.kill()
                        try Self.writeLockFiles(of: postgres, naming: stranger)
                        #expect(!postgres.isRunning)
                        try await postgres.stop()
                        try await postgres.start()
                    }
                }
            }
            #expect(try await psql(other.connectionString(), "select 1") == "1")
        }
    }

    /// Puts the number of another process into what a killed server left behind, the owner of the files unchanged.
    private static func writeLockFiles(of postgres: LocalPostgres, naming pid: String) throws {
        let socket = postgres.directory + "/socket"
        let names = try FileManager.default.contentsOfDirectory(atPath: socket).filter { $0.hasSuffix(".lock") }
        #expect(names.count == 1)
        for file in names.map({ "\(socket)/\($0)" }) + [postgres.directory + "/data/postmaster.pid"] {
            let lines: [String] = try [pid] + Self.lines(of: file).dropFirst()
            try lines.joined(separator: "\n").write(toFile: file, atomically: false, encoding: .utf8)
        }
    }

    private static func lines(of file: String) throws -> [String] {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
    }

    /// Runs `body` with the number of a process of the server's user that has nothing to do with PostgreSQL.
    private static func withSleeper(_ body: (String) async throws -> Void) async throws {
        let user = geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
        _ = try await Subprocess.run(
            .name("env"),
            arguments: Arguments(user + ["sleep", "600"]),
            input: .none,
            output: .discarded,
            error: .discarded
        ) { execution in
            try await body("\(execution.processIdentifier.value)")
            try execution.send(signal: .kill)
        }
    }

    @Test("a smart stop waits for the clients, a fast one doesn't")
    func stopModes() async throws {
        try await withCluster { postgres in
            let address = try postgres.connectionString()
            let sleeper = Task { try await psql(address, "select pg_sleep(600)") }
            let count = "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)'"
            while try await psql(address, count) == "0" {}
            try await postgres.stop(.fast)
            await #expect(throws: (any Error).self) { try await sleeper.value }
            try await postgres.start()
            try await postgres.stop(.smart)
            #expect(!postgres.isRunning)
        }
    }

    @Test("a stop runs to its end in a cancelled task")
    func stopWhenCancelled() async throws {
        try await withCluster { postgres in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await postgres.stop()
            }
            try await task.value
            #expect(!postgres.isRunning)
        }
    }

    @Test("settings reach the server unchanged, quotes and all")
    func settings() async throws {
        let odd = #"it's "$HOME" \ `x`"#
        try await withCluster(settings: ["max_connections": "17", "log_line_prefix": odd]) { postgres in
            let answer = try await psql(postgres.connectionString(), "show max_connections; show log_line_prefix")
            #expect(answer == "17\n\(odd)")
        }
    }

    @Test("a path too long for a socket gets a short one, and still works after a restart")
    func longPath() async throws {
        try await withFolder { folder in
            let long = folder + "/" + String(repeating: "long", count: 30)
            let postgres = LocalPostgres(directory: long, settings: ["fsync": "off"], exitAction: .stopAndRemove)
            try await postgres.start()
            let address = try postgres.connectionString()
            #expect(!address.contains("long"))
            #expect(try await psql(address, "select 1") == "1")
            try await postgres.restart()
            #expect(try postgres.connectionString() == address)
            #expect(try await psql(address, "select 1") == "1")
            try await postgres.remove()
        }
    }

    @Test("a database is created, copied from a template, and dropped under its users' feet")
    func databases() async throws {
        try await withCluster { postgres in
            let odd = #"-o'd "d?/&"#
            try await postgres.createDatabase("pattern")
            _ = try await psql(postgres.connectionString(database: "pattern"), "create table t as select 7 as seven")
            try await postgres.createDatabase(odd, template: "pattern")
            for transport in [LocalPostgres.Transport.socket, .tcp] {
                let address = try postgres.connectionString(database: odd, over: transport)
                #expect(try await psql(address, "select seven from t") == "7")
            }
            let error = await #expect(throws: LocalPostgresError.self) { try await postgres.createDatabase(odd) }
            #expect(error?.description.contains("already exists") == true)
            try await postgres.dropDatabase(odd)
            try await postgres.dropDatabase(odd)
        }
    }
}
