import ArgumentParser
import EventQueue

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "End a queued or running event; its caller gets a bot break.",
        discussion: "In SQL: select rejoinder.cancel('…')"
    )

    @Argument(help: "The event's id.", completion: .events(.queued, .running), transform: EventID.argument)
    var id: EventID

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.change("cancel", "\(self.id)") { try await $0.cancel(self.id) }
    }
}
