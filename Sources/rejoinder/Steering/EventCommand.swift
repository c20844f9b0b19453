import ArgumentParser
import EventQueue

struct EventCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event",
        abstract: "One event's life, without its payload.",
        discussion: "In SQL: select * from rejoinder.event where id = '…'; select * from rejoinder.life('…')"
    )

    @Argument(help: "The event's id.", completion: .events(), transform: EventID.argument)
    var id: EventID

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.run(as: .reader) { queue in
            guard let event = try await queue.event(self.id) else { throw Refusal("there is no event \(self.id)") }
            let life = try await queue.life(of: self.id)
            guard !self.options.json else {
                return print(JSONListing.object(event, and: [("life", JSONListing.array(life))]))
            }
            let known = event.fields.all.filter { $0.value != .null }
            print(
                TextTable(columns: ["event", event.id], rows: known.dropFirst().map { [$0.name, $0.value.shown] }).text
            )
            guard !life.isEmpty else { return }
            print("\n" + TextTable(life, ["step", "at", "milliseconds", "by", "detail"]).text)
        }
    }
}
