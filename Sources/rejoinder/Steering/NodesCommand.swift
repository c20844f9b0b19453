import ArgumentParser
import EventQueue

struct NodesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodes",
        abstract: "The nodes: what waits and runs, who serves them, which are paused or limited.",
        discussion: "In SQL: select * from rejoinder.nodes"
    )

    static let columns = [
        "node", "queued", "running", "oldest", "longest", "paused", "waits", "max_running", "max_per_second", "workers",
        "slots",
    ]

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.run(as: .reader) {
            self.options.show(try await $0.nodes(), Self.columns, empty: "no node yet")
        }
    }
}
