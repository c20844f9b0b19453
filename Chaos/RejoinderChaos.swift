import ArgumentParser
import EventQueue

/// Breaks a real deployment in every way that its users must live through, and checks what became of each call.
@main
struct RejoinderChaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rejoinder-chaos",
        abstract: "Faults injected into a real deployment under load, and the history of every call checked.",
        version: Version.current,
        subcommands: [RunCommand.self, WorkerCommand.self],
        defaultSubcommand: RunCommand.self
    )
}
