import ArgumentParser
import EventQueue
import Settings

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Events, newest first, without their payloads.",
        discussion: "In SQL: select * from rejoinder.event where id >= rejoinder.id_at(now() - interval '1 hour')"
    )

    static let columns = ["id", "state", "node", "attempt", "worker", "enqueued_at", "code", "error"]

    @Option(
        help: "Only those in this state: queued, running, answered, failed, expired or cancelled.",
        completion: .list(Operator.State.allCases.map(\.rawValue)),
        transform: Self.state
    )
    var state: Operator.State?

    @Option(help: "Only those of this node.", completion: .nodes)
    var node: String?

    @Option(help: "Only those received in so much time, such as 90s, 15m, 6h or 2d.", transform: Self.duration)
    var since: Duration = .seconds(3600)

    @Option(help: "How many at most.")
    var limit = 50

    @OptionGroup var options: OperatorOptions

    func validate() throws {
        guard (1...100_000).contains(self.limit) else {
            throw ValidationError("--limit is \(self.limit), expected a number from 1 to 100000")
        }
    }

    func run() async throws {
        let filter = Operator.EventFilter(state: self.state, node: self.node, since: self.since, limit: self.limit)
        try await self.options.run(as: .reader) {
            self.options.show(try await $0.events(filter), Self.columns, empty: "no such event")
        }
    }

    @Sendable
    private static func state(_ text: String) throws -> Operator.State {
        guard let state = Operator.State(rawValue: text) else {
            let known = Operator.State.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("\"\(text)\" is no state, expected one of \(known)")
        }
        return state
    }

    @Sendable
    static func duration(_ text: String) throws -> Duration {
        let units = [("ms", Duration.milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600))]
        for (suffix, unit) in units + [("d", .seconds(86400))] where text.hasSuffix(suffix) {
            if let count = Int32(text.dropLast(suffix.count)), count > 0 { return unit * Int(count) }
        }
        throw ValidationError("\"\(text)\" is no time, expected one such as 90s, 15m, 6h or 2d")
    }
}
