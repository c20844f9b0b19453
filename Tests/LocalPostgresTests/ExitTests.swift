import LocalPostgres
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("A private cluster doesn't outlive its process", .serialized, .timeLimit(.minutes(10)))
struct ExitTests {
    @Test("after SIGKILL the server is stopped and, when so asked, its folder deleted")
    func killed() async throws {
        try await withFolder { folder in
            await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
                let postgres = LocalPostgres(directory: folder, exitAction: .stopAndRemove)
                try await postgres.start()
                kill(getpid(), SIGKILL)
            }
            let postgres = LocalPostgres(directory: folder)
            try await wait { !exists(folder) }
            #expect(!postgres.isRunning)
        }
    }

    @Test("after a normal exit the server is gone already, and its data is kept when so asked")
    func exited() async throws {
        try await withFolder { folder in
            await #expect(processExitsWith: .exitCode(7)) { [folder = folder as String] in
                let postgres = LocalPostgres(directory: folder, settings: ["fsync": "off"], exitAction: .stop)
                try await postgres.start()
                try await postgres.restart()
                exit(7)
            }
            let postgres = LocalPostgres(directory: folder, exitAction: .stopAndRemove)
            #expect(!postgres.isRunning)
            try await postgres.start()
            try await postgres.remove()
        }
    }

    @Test("a process that stopped its server leaves alone the one that another started")
    func stopped() async throws {
        try await withFolder { folder in
            let mine = LocalPostgres(directory: folder, settings: ["fsync": "off"], exitAction: .stop)
            try await mine.start()
            try await mine.stop()
            let theirs = LocalPostgres(directory: folder, settings: ["fsync": "off"])
            await #expect(processExitsWith: .success) { [folder = folder as String] in
                let postgres = LocalPostgres(directory: folder, settings: ["fsync": "off"], exitAction: .stop)
                try await postgres.start()
                try await postgres.stop()
                try await LocalPostgres(directory: folder, settings: ["fsync": "off"]).start()
            }
            #expect(theirs.isRunning)
            try await theirs.remove()
        }
    }
}
