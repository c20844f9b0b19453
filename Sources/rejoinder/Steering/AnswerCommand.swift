import ArgumentParser
import EventQueue

struct AnswerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "answer",
        abstract: "Answer a waiting caller by hand, with one message.",
        discussion: "In SQL: select rejoinder.answer_by_hand('…', 'A colleague will call you.')"
    )

    @Argument(help: "The event's id.", completion: .events(.queued, .running), transform: EventID.argument)
    var id: EventID

    @Argument(help: "What the bot says.")
    var text: String

    @Flag(help: "As Haptik's failure response (status false).")
    var failure = false

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.change("answer_by_hand", "\(self.id)") {
            try await $0.answer(self.id, self.text, status: !self.failure)
        }
    }
}
