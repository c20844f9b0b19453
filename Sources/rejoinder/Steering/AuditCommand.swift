import ArgumentParser
import EventQueue

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "What operators did, newest first.",
        discussion: "In SQL: select * from rejoinder.audit order by id desc limit 50"
    )

    @Option(help: "How many at most.")
    var limit = 50

    @OptionGroup var options: OperatorOptions

    func validate() throws {
        guard (1...100_000).contains(self.limit) else {
            throw ValidationError("--limit is \(self.limit), expected a number from 1 to 100000")
        }
    }

    func run() async throws {
        try await self.options.run(as: .operator) {
            let entries = try await $0.audit(limit: self.limit)
            self.options.show(entries, ["at", "actor", "via", "action", "target", "detail"], empty: "nothing yet")
        }
    }
}
