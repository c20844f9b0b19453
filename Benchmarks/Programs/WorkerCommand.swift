import ArgumentParser
import RejoinderWorker
import Stage

/// The worker that is measured: its handlers do nothing, at once or after a while.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", shouldDisplay: false)

    @Option var slots = Worker.defaultSlots
    @Option var milliseconds = 0
    @Option var adminPort: Int?

    func run() async throws {
        let pause = Duration.milliseconds(self.milliseconds)
        let handlers = Handlers {
            Handle("echo") { event, _ in .success(event.text(of: "n") ?? "") }
            Handle("wait") { event, _ in
                try await Task.sleep(for: pause)
                return .success(event.text(of: "n") ?? "")
            }
        }
        try await StageWorker.run(handlers, slots: self.slots, adminPort: self.adminPort)
    }
}
