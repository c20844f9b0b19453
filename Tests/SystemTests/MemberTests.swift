import TestSupport
import Testing

/// Processes whose logins may do their jobs and nothing else, and poolers, from the command line.
@Suite("logins and addresses", .serialized)
struct MemberTests {
    @Test("an ingress and a worker that are members of their roles answer calls; with the other's login neither starts")
    func members() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.asMember(of: "rejoinder_ingress")
            let worker = try await database.asMember(of: "rejoinder_worker")
            try await Deployment.with(ingress) { deployment in
                try await Program.with("ScriptedWorker", environment: ["DATABASE_URL": worker.url]) { _ in
                    for id in ["1", "2", "3"] {
                        let answer = try await deployment.call("echo", ["id": id])
                        #expect(answer.message == id)
                    }
                    let failed = try await deployment.call("throw")
                    #expect(failed.code == "handler_failed")
                }
            }
            for (program, arguments, url, role) in [
                ("rejoinder", ["ingress"], worker.url, "ingress"), ("ScriptedWorker", [], ingress.url, "worker"),
            ] {
                let result = try await Program.run(
                    program,
                    arguments,
                    environment: ["DATABASE_URL": url, "REJOINDER_SECRET": "test"]
                )
                #expect("\(result.status)" == "exited(78)")
                let line = "this login may not use the queue as \(role): run `rejoinder grant LOGIN \(role)`"
                #expect(result.lines.count == 1)
                #expect(result.lines.first?.hasSuffix(line) == true, "\(result.lines)")
            }
            let reader = try await database.asMember(of: "rejoinder_reader")
            let shown = try await Program.run("rejoinder", ["status"], environment: ["DATABASE_URL": reader.url])
            #expect("\(shown.status)" == "exited(0)")
            #expect(shown.lines.joined().contains("echo"))
        }
    }

    @Test("grant says what it did, and in one line what is wrong")
    func grant() async throws {
        try await TestCluster.withDatabase { database in
            let environment = ["DATABASE_URL": database.url]
            let login = "granted_\(UInt32.random(in: 0...UInt32.max))"
            let missing = try await Program.run("rejoinder", ["grant", login, "worker"], environment: environment)
            #expect("\(missing.status)" == "exited(78)")
            #expect(
                missing.lines == [
                    "rejoinder: there is no login \"\(login)\": make it first with `create role \(login) login password '...'`"
                ]
            )
            try await database.query("create role \(login) login")
            let unknown = try await Program.run("rejoinder", ["grant", login, "boss"], environment: environment)
            #expect("\(unknown.status)" == "exited(78)")
            #expect(
                unknown.lines == [
                    #"rejoinder: there is no role "boss", expected one of ingress, worker, operator, reader"#
                ]
            )
            for word in ["now", "already"] {
                let granted = try await Program.run("rejoinder", ["grant", login, "worker"], environment: environment)
                #expect("\(granted.status)" == "exited(0)")
                #expect(granted.lines == ["\(login) is \(word) a member of rejoinder_worker"])
            }
            let member = database.url.replacing("://postgres@", with: "://\(login)@")
            let refused = try await Program.run(
                "rejoinder",
                ["grant", login, "operator"],
                environment: ["DATABASE_URL": member]
            )
            #expect("\(refused.status)" == "exited(1)")
            #expect(refused.lines.count == 1)
        }
    }

    @Test(
        "by way of a transaction pooler calls are answered; without the direct address by polling, and it says what to set"
    )
    func pooler() async throws {
        try await TestCluster.withDatabase { database in
            try await PgBouncer.with(.transaction, database) { pooled in
                let both = ["DATABASE_URL": pooled.url, "REJOINDER_LISTEN_URL": database.url]
                let migrated = try await Program.run("rejoinder", ["migrate"], environment: both)
                #expect(migrated.lines == ["the schema is up to date"])
                try await Deployment.with(pooled, environment: both) { deployment in
                    try await Program.with("ScriptedWorker", environment: both) { _ in
                        for id in ["1", "2", "3"] {
                            let answer = try await deployment.call("echo", ["id": id])
                            #expect(answer.message == id)
                        }
                    }
                }
                let shown = try await Program.run("rejoinder", ["status"], environment: ["DATABASE_URL": pooled.url])
                #expect("\(shown.status)" == "exited(0)")
                // Nobody can be called: both poll. Migrations need a session.
                let pooler = ["DATABASE_URL": pooled.url]
                try await Deployment.with(pooled, environment: pooler) { deployment in
                    try await deployment.ingress.line(containing: "set REJOINDER_LISTEN_URL to PostgreSQL")
                    try await Program.with("ScriptedWorker", environment: pooler) { _ in
                        let answer = try await deployment.call("echo", ["id": "4"])
                        #expect(answer.message == "4")
                    }
                }
                for arguments in [["pause", "x"], ["resume", "x"], ["nodes"], ["status"], ["pause", "x"]] {
                    let result = try await Program.run("rejoinder", arguments, environment: pooler)
                    #expect("\(result.status)" == "exited(0)", "\(arguments) \(result.lines)")
                }
                let result = try await Program.run("rejoinder", ["migrate"], environment: pooler)
                #expect("\(result.status)" == "exited(78)")
                #expect(result.lines.count == 1)
                #expect(result.lines.first?.contains("set REJOINDER_LISTEN_URL to PostgreSQL") == true)
            }
        }
    }
}
