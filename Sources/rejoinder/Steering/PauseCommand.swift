import ArgumentParser
import EventQueue

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Start nothing of a node any more, until it is resumed. What runs goes on.",
        discussion: """
            Its callers get 503 with the code paused, also those that wait already; or the endpoint's fallback. In SQL: \
            select rejoinder.pause('…')
            """
    )

    @Argument(help: "The node; it need not have been called yet.", completion: .nodes)
    var node: String

    @Flag(help: "Let callers wait, until their deadlines.")
    var wait = false

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.change("pause", self.node) { try await $0.pause(self.node, waits: self.wait) }
    }
}
