import ArgumentParser
import EventQueue

struct WorkersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers",
        abstract: "The live workers: where they run, what they serve, how busy they are.",
        discussion: "In SQL: select * from rejoinder.workers"
    )

    static let columns = ["id", "name", "host", "pid", "nodes", "busy", "slots", "heartbeat", "missing", "draining"]

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.run(as: .reader) {
            self.options.show(try await $0.workers(), Self.columns, empty: "no worker: calls end with no_worker")
        }
    }
}
