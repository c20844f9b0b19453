import AsyncHTTPClient
import LocalPostgres
import NIOCore
import Subprocess
import TestSupport
import Testing

/// What must hold when something dies, leaves or comes late.
@Suite("faults and hang-ups", .serialized)
struct FaultTests {
    @Test("a thousand concurrent calls are all answered, each with its own reply")
    func manyCalls() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    try await deployment.withWorker { _ in
                        try await Self.expectEchoes(0..<1000, deployment)
                    }
                }
            }
        }
    }

    @Test("a worker killed in the middle costs no reply: its events run again elsewhere")
    func killedWorker() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    try await deployment.withWorker { victim in
                        async let calls: Void = Self.expectEchoes(0..<200, deployment, milliseconds: 300)
                        try await deployment.eventually(
                            """
                            select (count(distinct worker) = 2)::text from rejoinder.queue where state = 'running'
                            """,
                            is: "true"
                        )
                        victim.signal(.kill)
                        try await calls
                    }
                }
            }
        }
    }

    @Test("a worker that hangs loses its events to others, though it held the maintenance lock")
    func hungWorker() async throws {
        try await TestCluster.withDatabase { database in
            // The first process to register does the housekeeping.
            try await Program.with("ScriptedWorker", environment: ["DATABASE_URL": database.url]) { first in
                while try await database.query("select id::text from rejoinder.workers where id = 1").isEmpty {
                    try await Task.sleep(for: .milliseconds(20))
                }
                try await Deployment.with(database) { deployment in
                    let call = Task { try await deployment.call("sleep", ["ms": "2000", "id": "3"]) }
                    try await deployment.eventually(
                        "select (count(*) = 1)::text from rejoinder.queue where state = 'running'",
                        is: "true"
                    )
                    first.signal(.suspend)
                    try await deployment.withWorker { _ in
                        let reply = try await call.value
                        #expect(reply.message == "3", "\(reply.body)")
                        first.signal(.resume)
                    }
                }
            }
        }
    }

    @Test("an event whose handler kills its worker is tried again, and fails in the end")
    func crashingHandler() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    try await deployment.withWorker { _ in
                        let answer = try await deployment.call("crash_once")
                        #expect(answer.message == "attempt 2")
                    }
                }
                // Three attempts take three workers with them.
                try await deployment.withWorker { _ in
                    try await deployment.withWorker { _ in
                        try await deployment.withWorker { _ in
                            let answer = try await deployment.call("crash")
                            #expect(answer.status == 502)
                            #expect(answer.code == "worker_lost")
                        }
                    }
                }
            }
        }
    }

    @Test("an at-most-once handler is not run a second time after its worker was lost")
    func atMostOnce() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { other in
                    try await deployment.withWorker { another in
                        #expect(try await deployment.call("once", ["id": "a"]).message == "attempt 1")
                        let lost = try await deployment.call("once", ["id": "b", "crash": "yes"])
                        #expect(lost.status == 502)
                        #expect(lost.code == "worker_lost")
                        let runs = (other.lines + another.lines).filter {
                            $0.contains("ran once") && $0.contains("id=b")
                        }
                        #expect(runs.count == 1)
                    }
                }
            }
        }
    }

    @Test("a restart of PostgreSQL in the middle costs nobody a reply")
    func restartedDatabase() async throws {
        try await TestCluster.withCluster { cluster, database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    async let calls: Void = Self.expectEchoes(0..<200, deployment, milliseconds: 500)
                    try await deployment.eventually(
                        "select (count(*) > 0)::text from rejoinder.queue where state = 'running'",
                        is: "true"
                    )
                    try await cluster.stop(.immediate)
                    async let late: Void = Self.expectEchoes(1000..<1050, deployment)
                    try await deployment.ingress.line(containing: "database is away")
                    try await deployment.ingress.line(containing: "lost the queue's session")
                    // Callers wait for it, and a balancer shall let them.
                    #expect(try await deployment.health("ready").status == 200)
                    #expect(try await deployment.health("live").status == 200)
                    try await cluster.start()
                    try await calls
                    try await late
                }
            }
        }
    }

    @Test("a call without a worker waits for one that comes in time")
    func lateWorker() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let answer = Task { try await deployment.call("echo", ["id": "7"]) }
                try await deployment.eventually("select count(*)::text from rejoinder.queue", is: "1")
                try await deployment.withWorker { _ in
                    let reply = try await answer.value
                    #expect(reply.message == "7")
                }
            }
        }
    }

    @Test("an operator answers a waiting caller from psql")
    func answerByHand() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                async let answer = deployment.call("echo")
                try await deployment.eventually("select count(*)::text from rejoinder.queue", is: "1")
                try await database.query(
                    "select rejoinder.answer_by_hand(id, 'by \"hand\"')::text from rejoinder.queue"
                )
                let reply = try await answer
                #expect(reply.status == 200)
                #expect(reply.message == "by \"hand\"")
            }
        }
    }

    @Test("a caller that hangs up has its event cancelled, in the queue and in the handler")
    func hangUps() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let queued = Task { try await deployment.call("echo") }
                try await deployment.eventually("select count(*)::text from rejoinder.queue", is: "1")
                queued.cancel()
                let cancelled = "select string_agg(state::text, ',' order by id) from rejoinder.event"
                try await deployment.eventually(cancelled, is: "cancelled")
                try await deployment.withWorker { _ in
                    let running = Task { try await deployment.call("sleep", ["ms": "20000"]) }
                    try await deployment.eventually(cancelled, is: "cancelled,running")
                    running.cancel()
                    try await deployment.eventually(cancelled, is: "cancelled,cancelled")
                    // The handler was cancelled: its slot is free long before its sleep would end.
                    try await deployment.eventually("select busy::text from rejoinder.workers", is: "0")
                }
            }
        }
    }

    @Test("a handler that ignores its cancellation keeps its slot, but neither its caller nor its worker")
    func stubbornHandler() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--deadline", "500ms"]) { deployment in
                try await deployment.withWorker { worker in
                    try await deployment.eventually("select count(*)::text from rejoinder.workers", is: "1")
                    let answer = try await deployment.call("stubborn")
                    #expect(answer.status == 504)
                    #expect(try await deployment.call("echo", ["id": "1"]).message == "1")
                    try await worker.line(containing: "ignores its cancellation")
                }
            }
        }
    }

    @Test("on SIGTERM every waiting caller gets its reply, and the processes exit with 0")
    func shutdown() async throws {
        try await TestCluster.withDatabase { database in
            var calls: Task<[Answer], any Error>?
            var workerStatus: String?
            try await Deployment.with(database) { deployment in
                let status = try await Program.with(
                    "ScriptedWorker",
                    environment: ["DATABASE_URL": database.url]
                ) { worker in
                    calls = Task {
                        try await withThrowingTaskGroup(of: Answer.self) { group in
                            for id in 0..<20 {
                                group.addTask { try await deployment.call("sleep", ["ms": "6000", "id": "\(id)"]) }
                            }
                            return try await group.reduce(into: []) { $0.append($1) }
                        }
                    }
                    try await deployment.eventually(
                        "select count(*)::text from rejoinder.queue where state = 'running'",
                        is: "20"
                    )
                    deployment.ingress.signal(.terminate)
                    worker.signal(.terminate)
                    await deployment.ingress.end()
                }
                workerStatus = "\(status)"
            }
            let answers = try await calls?.value ?? []
            #expect(answers.count == 20)
            #expect(answers.allSatisfy { $0.status == 200 })
            #expect(workerStatus == "exited(0)")
        }
    }

    /// Calls with these ids, all at once; each must get its own id back.
    private static func expectEchoes(
        _ ids: Range<Int>,
        _ deployment: Deployment,
        milliseconds: Int = 0
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for id in ids {
                group.addTask {
                    let answer = try await deployment.call("sleep", ["id": "\(id)", "ms": "\(milliseconds)"])
                    #expect(answer.status == 200, "\(answer.body)")
                    #expect(answer.message == "\(id)")
                }
            }
            try await group.waitForAll()
        }
    }
}
