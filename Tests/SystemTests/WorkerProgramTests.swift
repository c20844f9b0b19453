import Subprocess
import TestSupport
import Testing

/// What a worker program makes for its handlers: when it is there, and what becomes of the program without it.
@Suite("a worker program's start and its services", .serialized, .timeLimit(.minutes(5)))
struct WorkerProgramTests {
    @Test("a handler that still runs while the worker drains has the program's services, which end when it has")
    func drain() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let status = try await Program.with(
                    "ScriptedWorker",
                    environment: ["DATABASE_URL": database.url]
                ) { worker in
                    async let answer = deployment.call("resource", ["ms": "3000"])
                    try await deployment.eventually(
                        "select count(*)::text from rejoinder.queue where state = 'running'",
                        is: "1"
                    )
                    worker.signal(.terminate)
                    try await worker.line(containing: "draining")
                    #expect(try await answer.message == "open")
                    try await worker.line(containing: "resource closed")
                }
                #expect("\(status)" == "exited(0)")
            }
        }
    }

    @Test(
        "when a service ends before its time, the worker says so, drains, and exits with 1",
        arguments: [("fail", "a service has failed"), ("return", "a service has ended by itself")]
    )
    func failure(_ how: String, _ message: String) async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let status = try await Program.with(
                    "ScriptedWorker",
                    environment: ["DATABASE_URL": database.url]
                ) { worker in
                    let answer = try await deployment.call("resource", ["end": how, "ms": "500"])
                    #expect(answer.status == 200, "\(answer.body)")
                    let line = try await worker.line(containing: message)
                    #expect(line.contains(" error ") && line.contains("service=Resource"), "\(line)")
                    #expect(line.contains("error=Broken()") == (how == "fail"), "\(line)")
                    await worker.end()
                }
                #expect("\(status)" == "exited(1)")
            }
        }
    }

    @Test("what a program's init throws is one line and exit code 1")
    func unable() async throws {
        try await TestCluster.withDatabase { database in
            let result = try await Program.run(
                "ScriptedWorker",
                [],
                environment: ["DATABASE_URL": database.url, "SCRIPTED_START": "no shop\ntoday"]
            )
            #expect("\(result.status)" == "exited(1)")
            #expect(result.lines == ["ScriptedWorker: can't start: no shop today"])
        }
    }

    @Test("a program that is only asked for its options, or can't start anyway, is not made")
    func unmade() async throws {
        try await TestCluster.withDatabase { database in
            try await TestCluster.withDatabase(migrated: false) { unmigrated in
                for (arguments, url, status) in [
                    (["--help"], database.url, 0), (["--slots", "no"], database.url, 78), ([], unmigrated.url, 78),
                    (["--admin-port", "0", "--admin-host", "192.0.2.1"], database.url, 1),
                ] {
                    let result = try await Program.run(
                        "ScriptedWorker",
                        arguments,
                        environment: ["DATABASE_URL": url, "SCRIPTED_START": "made"]
                    )
                    #expect("\(result.status)" == "exited(\(status))")
                    #expect(!result.lines.contains { $0.contains("can't start") }, "\(result.lines)")
                }
            }
        }
    }

    @Test("while the program is being made its admin port is open, and readiness says that it is starting")
    func starting() async throws {
        try await TestCluster.withDatabase { database in
            try await Program.with(
                "ScriptedWorker",
                ["--admin-port", "0"],
                environment: ["DATABASE_URL": database.url, "SCRIPTED_START": "wait"]
            ) { worker in
                let port = try await worker.adminPort()
                try await worker.line(containing: "waiting for SIGUSR1")
                let ready = try await Deployment.health("ready", port: port)
                #expect(ready.status == 503 && ready.body == "starting\n")
                #expect(try await Deployment.health("live", port: port).status == 200)
                worker.signal(.userDefinedOne)
                try await eventually("it is ready") { try await Deployment.health("ready", port: port).status == 200 }
            }
        }
    }
}
