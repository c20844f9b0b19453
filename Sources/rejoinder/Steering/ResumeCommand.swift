import ArgumentParser
import EventQueue

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "End a node's pause.",
        discussion: "In SQL: select rejoinder.resume('…')"
    )

    @Argument(help: "The node.", completion: .nodes)
    var node: String

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.change("resume", self.node) { try await $0.resume(self.node) }
    }
}
