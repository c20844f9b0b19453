import ArgumentParser
import Dispatch
import RejoinderWorker
import Stage

/// A worker whose handlers write down each of their runs in a file of their own, beside the database.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", shouldDisplay: false)

    @Option var slots = Worker.defaultSlots
    /// The folder of the runs' files.
    @Option var runs: String

    func run() async throws {
        let journal = try RunJournal(folder: self.runs)
        @Sendable func answer(_ event: WebhookEvent, _ context: HandlerContext) async throws -> HandlerOutcome {
            let key = event.text(of: "n") ?? ""
            journal.write("start", key, attempt: context.attempt)
            let milliseconds = event.text(of: "ms").flatMap { Int($0) } ?? 0
            if milliseconds > 0 { try await Task.sleep(for: .milliseconds(milliseconds)) }
            journal.write("end", key, attempt: context.attempt)
            return .success(key)
        }
        let handlers = Handlers {
            Handle("work") { event, context in try await answer(event, context) }
            Handle("once", atMostOnce: true) { event, context in try await answer(event, context) }
            Handle("slow", concurrency: 4) { event, context in try await answer(event, context) }
            Handle("stubborn", concurrency: 2) { event, context in
                journal.write("start", event.text(of: "n") ?? "", attempt: context.attempt)
                // Never returns, and does not hear of its cancellation.
                await withCheckedContinuation { continuation in
                    DispatchQueue.global().asyncAfter(deadline: .now() + 3600) { continuation.resume() }
                }
                return .success("")
            }
            Handle("blocking", concurrency: 2) { event, context in
                let key = event.text(of: "n") ?? ""
                journal.write("start", key, attempt: context.attempt)
                // Quick at first, so that it is started as quick ones are; then it holds its thread for good.
                if event.text(of: "ms") != "0" { DispatchSemaphore(value: 0).wait() }
                journal.write("end", key, attempt: context.attempt)
                return .success(key)
            }
        }
        try await StageWorker.run(handlers, slots: self.slots, adminPort: 0)
    }
}
