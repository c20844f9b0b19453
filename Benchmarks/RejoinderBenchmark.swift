import ArgumentParser
import EventQueue

/// Measures Rejoinder on one machine, each figure beside its floors.
@main
struct RejoinderBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rejoinder-benchmark",
        abstract: "How fast Rejoinder is on this machine, and how far from what HTTP and PostgreSQL allow.",
        version: Version.current,
        subcommands: [RunCommand.self, HTTPFloorCommand.self, WorkerCommand.self],
        defaultSubcommand: RunCommand.self
    )
}
