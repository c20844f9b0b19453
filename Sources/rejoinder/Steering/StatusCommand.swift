import ArgumentParser
import EventQueue
import PostgresClient
import Settings
import UnixSignals

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "One screen: the queue by node, the workers, what went wrong, the last failures.",
        discussion:
            "In SQL: select * from rejoinder.overview; … rejoinder.workers; … rejoinder.incidents; … rejoinder.recent"
    )

    @Flag(help: "Draw it again each second, or less often where a look takes long, until Ctrl-C; JSON: a line each.")
    var watch = false

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await self.options.run(as: .reader) { try await self.show(StatusScreen($0)) }
        guard self.watch else { return }
        let database = try OperatorOptions.database
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { return } }
            group.addTask { await self.showAgain(database) }
            await group.next()
            group.cancelAll()
        }
    }

    /// A database that goes away meanwhile is waited for.
    private func showAgain(_ database: PostgresConfiguration) async {
        let connector = PostgresConnector(database.sessionless.careful, logger: OperatorOptions.logger)
        let pool = PostgresPool(connector, size: 1)
        let queue = Operator(pool, actor: OperatorOptions.actor, via: "cli")
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: pause)
                let began = ContinuousClock.now
                // Looks at a busy queue's last hour take the database a tenth of the time at most.
                defer { pause = max(.seconds(1), (ContinuousClock.now - began) * 9) }
                self.show(try await StatusScreen(queue))
            } catch let error as QueueError {
                StandardError.print("rejoinder: \(error), trying again")
            } catch {
                break
            }
        }
        await pool.closeIdle()
    }

    private func show(_ screen: StatusScreen) {
        if self.options.json {
            StandardOutput.print(screen.json)
        } else {
            // Home, and clear what is there.
            StandardOutput.print((self.watch ? "\u{1B}[H\u{1B}[2J" : "") + screen.text)
        }
    }
}
