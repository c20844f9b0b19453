import ArgumentParser
import EventQueue

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Queue an event again that ended without an answer, for the sake of what its handler does.",
        discussion: "Its caller has had a reply long ago. In SQL: select rejoinder.retry('…')"
    )

    @Argument(
        help: "The event's id.",
        completion: .events(.failed, .expired, .cancelled),
        transform: EventID.argument
    )
    var id: EventID

    @Option(help: "How much time it gets, such as 30s or 2m.", transform: EventsCommand.duration)
    var timeLeft: Duration = .seconds(30)

    @Flag(help: "Also where it was started, and its handler runs at most once: you know that nothing was done.")
    var again = false

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.change("retry", "\(self.id)") {
            try await $0.retry(self.id, timeLeft: self.timeLeft, again: self.again)
        }
    }
}
