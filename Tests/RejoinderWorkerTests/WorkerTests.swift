import EventQueue
import Logging
import PostgresClient
import RejoinderWorker
import TestSupport
import Testing

@Suite("a worker and its handlers", .timeLimit(.minutes(5)))
struct WorkerTests {
    /// A worker that runs, and the database that it works on.
    private struct Scene {
        let database: TestDatabase
        let connection: PostgresConnection
        let worker: Task<Void, any Error>
        let recorder: LogRecorder

        @discardableResult
        func enqueue(_ node: String, text: String = "", milliseconds: Int = 20_000) async throws -> EventID {
            let id = EventID()
            let entities = #"{"text":[{"entity_value":"\#(text)"}]}"#
            let payload = #"{"node":"\#(node)","event":"e","user":{},"entities":\#(entities)}"#
            try await self.connection.query(
                """
                call rejoinder.enqueue_and_wake(
                    null, array['\(id)'::uuid], '{/}', '{\(node)}', '{\(milliseconds)}', array['\(payload)'::json]
                )
                """
            )
            return id
        }

        func state(of id: EventID) async throws -> String? {
            let rows = try await self.connection.query("select state::text from rejoinder.event where id = '\(id)'")
            return rows.first?.first ?? nil
        }

        func awaitEnd(of id: EventID, as state: String) async throws {
            try await eventually("the event is \(state)") { try await self.state(of: id) == state }
        }
    }

    private static func run(_ handlers: Handlers, _ body: (Scene) async throws -> Void) async throws {
        try await TestCluster.withDatabase { database in
            let recorder = LogRecorder()
            let worker = Worker(
                handlers: handlers,
                databaseURL: database.url,
                name: "worker",
                logger: recorder.logger
            )
            let task = Task { try await worker.run() }
            let connection = try await database.connect()
            try await eventually("it has registered") {
                try await !connection.query("select 1 from rejoinder.workers").isEmpty
            }
            try await body(Scene(database: database, connection: connection, worker: task, recorder: recorder))
            task.cancel()
            try await task.value
        }
    }

    private static func isSlow(_ event: WebhookEvent) -> Bool { event.text(of: "text") == "slow" }

    @Test("a handler that never waits sees its cancellation, though quick ones begin on the connection's thread")
    func quick() async throws {
        let (started, cancelled) = (Mailbox<Void>(), Mailbox<Void>())
        let handlers = Handlers {
            Handle("quick") { event, _ in
                guard Self.isSlow(event) else { return .success("quick") }
                started.send(())
                while !Task.isCancelled {}
                cancelled.send(())
                throw CancellationError()
            }
        }
        try await Self.run(handlers) { scene in
            // More than it takes until it counts as quick.
            for _ in 0..<60 { try await scene.awaitEnd(of: scene.enqueue("quick"), as: "answered") }
            let id = try await scene.enqueue("quick", text: "slow", milliseconds: 1500)
            try await started.next()
            try await cancelled.next()
            try await scene.awaitEnd(of: id, as: "expired")
            try await scene.awaitEnd(of: scene.enqueue("quick"), as: "answered")
        }
    }

    /// A handler that waits until it is cancelled, and then takes a moment to clean up.
    private static func waiting(_ started: Mailbox<Int>) -> Handlers {
        Handlers {
            Handle("waits") { _, context in
                started.send(context.attempt)
                do {
                    try await Task.sleep(for: .seconds(600))
                } catch {
                    await Task { try? await Task.sleep(for: .milliseconds(100)) }.value
                    context.logger.info("cleaned up")
                }
                return .success("late")
            }
        }
    }

    @Test("a worker whose task is cancelled cancels its handlers, and returns when they have cleaned up")
    func cancelled() async throws {
        let started = Mailbox<Int>()
        try await Self.run(Self.waiting(started)) { scene in
            let id = try await scene.enqueue("waits")
            #expect(try await started.next() == 1)
            scene.worker.cancel()
            try await scene.worker.value
            #expect(scene.recorder.entries.contains { $0.message == "cleaned up" })
            #expect(try await scene.state(of: id) == "queued")
        }
    }

    @Test("while they clean up it is no lost worker")
    func cleaningUp() async throws {
        let (started, cancelled) = (Mailbox<Void>(), Mailbox<Void>())
        let handlers = Handlers {
            Handle("waits") { _, context in
                started.send(())
                try? await Task.sleep(for: .seconds(600))
                cancelled.send(())
                await Task { try? await Task.sleep(for: .milliseconds(1500)) }.value
                context.logger.info("cleaned up")
                throw CancellationError()
            }
        }
        try await Self.run(handlers) { scene in
            let id = try await scene.enqueue("waits")
            try await started.next()
            scene.worker.cancel()
            try await cancelled.next()
            let ended = Task { try await scene.worker.value }
            while try await scene.state(of: id) == "running" {
                try await scene.connection.query("select requeued::text from rejoinder.recover()")
            }
            #expect(scene.recorder.entries.contains { $0.message == "cleaned up" })
            try await ended.value
            #expect(try await scene.connection.query("select code from rejoinder.incident") == [])
        }
    }

    @Test("an event that this worker is given a second time, since it had stood still, runs once at a time")
    func again() async throws {
        let started = Mailbox<Int>()
        try await Self.run(Self.waiting(started)) { scene in
            let id = try await scene.enqueue("waits")
            #expect(try await started.next() == 1)
            try await scene.connection.query(
                """
                update rejoinder.live
                   set worker = null, claimed_at = null, place = nextval('rejoinder.place')
                 where id = '\(id)'
                """
            )
            try await scene.connection.query("select rejoinder.wake('{waits}', true)::text")
            #expect(try await started.next() == 2)
            try await eventually("the first was cancelled") {
                scene.recorder.entries.contains { $0.message == "cleaned up" && $0.text("attempt") == "1" }
            }
        }
    }

    @Test("it says that it is ready while it takes events, and neither before nor while it drains")
    func readiness() async throws {
        try await TestCluster.withDatabase { database in
            let started = Mailbox<Int>()
            let worker = Worker(
                handlers: Self.waiting(started),
                databaseURL: database.url,
                name: "worker",
                logger: .silent
            )
            #expect(!worker.isReady)
            let task = Task { try await worker.run() }
            try await eventually("it is ready") { worker.isReady }
            let connection = try await database.connect()
            let scene = Scene(database: database, connection: connection, worker: task, recorder: LogRecorder())
            try await scene.enqueue("waits")
            #expect(try await started.next() == 1)
            #expect(worker.isReady)
            try await connection.query("select rejoinder.drain(id) from rejoinder.workers")
            try await eventually("it drains") { !worker.isReady }
            task.cancel()
            try await task.value
            #expect(!worker.isReady)
        }
    }

    @Test("an event that may run once is not tried again when its handler throws, however its options were written")
    func atMostOnce() async throws {
        var options = Handle.Options()
        options.atMostOnce = true
        let ran = Mailbox<Int>()
        let handlers = Handlers {
            Handle.anyNode(options) { _, context in
                ran.send(context.attempt)
                throw CancellationError()
            }
        }
        #expect(handlers.lanes(slots: 4).map(\.maxAttempts) == [1])
        try await Self.run(handlers) { scene in
            try await scene.awaitEnd(of: scene.enqueue("any"), as: "failed")
            #expect(try await ran.next() == 1)
            try await scene.awaitEnd(of: scene.enqueue("any"), as: "failed")
            #expect(try await ran.next() == 1)
        }
    }
}
