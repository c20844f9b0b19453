import ArgumentParser
import EventQueue

struct LimitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limit",
        abstract: "Limit a node over all workers: how many events run at once, how many start a second.",
        discussion: """
            Takes the place of the limits that the node has: one that is not given is none. In SQL: \
            select rejoinder.limit('…', 5, 20)
            """
    )

    @Argument(help: "The node.", completion: .nodes)
    var node: String

    @Option(help: "How many events run at once.")
    var running: Int32?

    @Option(help: "How many events start a second, with a burst of a second's worth.")
    var perSecond: Double?

    @Flag(name: .customLong("none"), help: "No limit.")
    var isNone = false

    @OptionGroup var options: OperatorOptions

    func validate() throws {
        guard (self.running != nil || self.perSecond != nil) != self.isNone else {
            throw ValidationError("expected --running N, --per-second R, both of these, or --none")
        }
        if let running, running < 1 { throw ValidationError("--running is \(running), expected at least 1") }
        if let perSecond, !(perSecond >= 0.0001 && perSecond <= 1_000_000) {
            throw ValidationError("--per-second is \(perSecond), expected 0.0001 to 1000000")
        }
    }

    func run() async throws {
        try await self.options.change("limit", self.node) {
            try await $0.limit(self.node, running: self.running, perSecond: self.perSecond)
        }
    }
}
