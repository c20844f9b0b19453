import ArgumentParser
import EventQueue

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Let a worker finish what it has, and exit with code 0, as on SIGTERM.",
        discussion: "Its supervisor may start it again. In SQL: select rejoinder.drain(7)"
    )

    @Argument(help: "The worker's id, as `rejoinder workers` shows it.", completion: .workers)
    var worker: Int32

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.change("drain", "\(self.worker)") { try await $0.drain(worker: self.worker) }
    }
}
