import Logging
import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import EventQueue

/// Opens once, for any number that wait.
final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func open() {
        let waiting = self.state.withLock { state in
            defer { state = (true, []) }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func passed() async {
        await withCheckedContinuation { continuation in
            let isOpen = self.state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
}

/// Counts from any thread.
final class Counter: Sendable {
    private let number = Atomic(0)

    var value: Int { self.number.load(ordering: .acquiring) }

    func add() { self.number.add(1, ordering: .acquiringAndReleasing) }
}

/// A worker whose handlers are a closure, as a runner would run them.
final class RunningWorker: Sendable {
    let queue: WorkerQueue
    let recorder = LogRecorder()
    /// The events whose handlers were told that nobody waits any more.
    let cancelled = Mailbox<EventID>()
    /// What it was told, in order.
    let told = Mailbox<String>()
    private let task: Task<Void, Never>

    init(
        _ database: TestDatabase,
        _ lanes: [LaneOptions] = [.sample(slots: 100)],
        handle: @escaping @Sendable (Claim) async -> AttemptOutcome?
    ) {
        let queue = WorkerQueue(
            configuration: database.configuration(as: "test-worker"),
            name: "worker",
            lanes: lanes,
            logger: self.recorder.logger
        )
        self.queue = queue
        self.task = Task { [cancelled, told] in
            await queue.run { event in
                switch event {
                case .claimed(let claims, _):
                    for claim in claims {
                        told.send("claimed \(claim.id)")
                        Task {
                            let start = ContinuousClock.now
                            let outcome = await handle(claim)
                            queue.finish(claim, outcome, ran: .now - start)
                        }
                    }
                case .cancelled(let id):
                    cancelled.send(id)
                    told.send("cancelled \(id)")
                }
            }
        }
    }

    /// Drains, and returns when it has stopped.
    func stop() async {
        self.queue.drain()
        await self.task.value
    }

    /// Stops without waiting for what it holds.
    func abort() async {
        self.task.cancel()
        await self.task.value
    }
}

extension IngressQueue {
    /// Hands the event in, and waits for its outcome; cancelling the task is the caller's hanging up.
    func outcome(of event: NewEvent) async -> Outcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.enter(event) { ending in continuation.resume(returning: ending.outcome) }
                self.send()
                // It may have come before there was anything to abandon.
                if Task.isCancelled { self.abandon(event.id) }
            }
        } onCancel: {
            self.abandon(event.id)
        }
    }
}

/// An ingress's queue that runs, and workers beside it.
struct Rig: Sendable {
    let database: TestDatabase
    let ingress: IngressQueue
    let recorder: LogRecorder

    /// Runs `body` with an ingress; afterwards nobody may be left in its books.
    static func run(
        limits: IngressQueue.Limits = IngressQueue.Limits(),
        teller: @escaping IngressQueue.Teller = { tell in tell() },
        in database: TestDatabase? = nil,
        _ body: (Rig) async throws -> Void
    ) async throws {
        guard let database else {
            return try await TestCluster.withDatabase { database in
                try await Self.run(limits: limits, teller: teller, in: database, body)
            }
        }
        let recorder = LogRecorder()
        let ingress = IngressQueue(
            configuration: database.configuration(as: "test-ingress"),
            name: "ingress",
            limits: limits,
            logger: recorder.logger,
            teller: teller
        )
        let task = Task { try await ingress.run() }
        try await eventually("the ingress is ready") { ingress.isConnected }
        try await body(Rig(database: database, ingress: ingress, recorder: recorder))
        #expect(ingress.waiting == 0)
        #expect(ingress.state.withLock { $0.table.bytes } == 0)
        task.cancel()
        try await task.value
        #expect(recorder.warningsOfServer == [])
    }

    /// Runs `body` with a worker, which is drained afterwards.
    func withWorker(
        _ lanes: [LaneOptions] = [.sample(slots: 100)],
        handle: @escaping @Sendable (Claim) async -> AttemptOutcome? = { .answered($0.payload) },
        _ body: (RunningWorker) async throws -> Void
    ) async throws {
        let worker = RunningWorker(self.database, lanes, handle: handle)
        try await eventually("the worker is ready") { worker.queue.isReady }
        try await body(worker)
        await worker.stop()
        #expect(worker.recorder.warningsOfServer == [])
    }

    /// A worker whose handlers say what they hold, and give it back as the answer when the gate is open.
    func withHoldingWorker(
        _ lanes: [LaneOptions] = [.sample(slots: 100)],
        _ body: (RunningWorker, Mailbox<EventID>, Gate) async throws -> Void
    ) async throws {
        let gate = Gate()
        let held = Mailbox<EventID>()
        try await self.withWorker(lanes) { claim in
            held.send(claim.id)
            await gate.passed()
            return .answered(claim.payload)
        } _: { worker in
            try await body(worker, held, gate)
        }
    }

    func outcome(of event: NewEvent = .sample()) async -> Outcome { await self.ingress.outcome(of: event) }

    /// The outcomes of many events that wait at the same time, in their order.
    func outcomes(of events: [NewEvent]) async -> [Outcome] {
        await withTaskGroup(of: (Int, Outcome).self) { group in
            for (index, event) in events.enumerated() {
                group.addTask { (index, await self.ingress.outcome(of: event)) }
            }
            let outcomes = await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            return events.indices.compactMap { outcomes[$0] }
        }
    }

    /// The state of an event; nil where there is none.
    func state(of id: EventID) async throws -> String? {
        try await self.database.query("select state::text from rejoinder.event where id = '\(id)'").first?.first ?? nil
    }

    /// Gives one of the queue's functions another name: those who call it find none.
    func rename(_ function: String, to name: String) async throws {
        try await self.database.query(
            """
            do $$ begin
                execute 'alter function ' || 'rejoinder.\(function)'::regproc::oid::regprocedure || ' rename to \(name)';
            end $$
            """
        )
    }

    /// Ends the backends of the ingress and the workers.
    func terminate(_ applications: String = "test-%") async throws {
        try await self.database.query(
            """
            select pg_terminate_backend(pid)::text
              from pg_stat_activity
             where datname = current_database() and application_name like '\(applications)'
            """
        )
    }
}

extension Outcome {
    /// Of an answer.
    var text: String? { if case .answered(let bytes, _) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }
}

extension NewEvent {
    var text: String { String(decoding: self.payload, as: UTF8.self) }
}
