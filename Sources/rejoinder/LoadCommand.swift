import ArgumentParser
import LoadGenerator
import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Make many signed calls, check every reply, and print how many were answered and how fast.",
        discussion: """
            With --connections it is a closed loop: so many calls at a time, the next when one has its reply. With --rate \
            it is an open loop: calls come at that rate whatever becomes of them, and each one's time runs from when it \
            was due. With --new-connections each call has a connection of its own, as of callers that keep none, and its time \
            includes opening it. {{n}} in the body, and in --expect, stands for the call's number. The secret is REJOINDER_SECRET, the \
            first where there are several. Exit code 0 when every call was answered right, else 1.
            """
    )

    @Option(help: "The endpoint; may be repeated, connections then go to each in turn.")
    var url = ["http://127.0.0.1:8080/webhook"]

    @OptionGroup var call: CallOptions

    @Option(help: "Text that each reply must contain. Default: any 200 is right.")
    var expect: String?

    @Option(help: "Connections; with --rate, at most so many. Default: 64, with --rate 1024.")
    var connections: Int?

    @Flag(help: "A new connection for each call.")
    var newConnections = false

    @Option(help: "Calls per second, in an open loop.")
    var rate: Double?

    @Option(help: "Seconds that are measured.")
    var duration = 10.0

    @Option(help: "Seconds before them that are not.")
    var warmUp = 0.0

    @Option(help: "Stop after so many calls. Default: when the time is over.")
    var calls: Int?

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() async throws {
        try await reportingFailures {
            let plan = try self.plan()
            OpenFiles.allowAsManyAsPossible()
            let result: LoadResult
            do {
                result = try await LoadGenerator(plan).run()
            } catch let error as LoadError {
                StandardError.print("rejoinder: \(error)")
                throw ExitCode(1)
            }
            print(try self.json ? Self.json(of: result) : LoadReport(result).text)
            if !result.isRight { throw ExitCode(1) }
        }
    }

    private func plan() throws -> LoadPlan {
        try Self.check("--connections", self.connections.map(Double.init), 1...100_000)
        try Self.check("--rate", self.rate, 0.001...1_000_000)
        try Self.check("--duration", self.duration, 0.001...86_400)
        try Self.check("--warm-up", self.warmUp, 0...86_400)
        try Self.check("--calls", self.calls.map(Double.init), 1...1e12)
        var plan = LoadPlan(
            targets: try self.targets(),
            body: Template(try self.call.bytes()),
            expected: self.expect.map { Template($0) },
            signer: try self.call.signer(),
            pace: self.rate.map { .open(rate: $0, connections: self.connections ?? 1024) }
                ?? .closed(connections: self.connections ?? 64)
        )
        plan.duration = .seconds(self.duration)
        plan.warmUp = .seconds(self.warmUp)
        plan.calls = self.calls
        plan.newConnections = self.newConnections
        return plan
    }

    private func targets() throws(SettingError) -> [LoadTarget] {
        do throws(LoadError) {
            return try self.url.map { url throws(LoadError) in try LoadTarget(url: url) }
        } catch {
            throw SettingError("--url \(error)")
        }
    }

    private static func check(_ option: String, _ value: Double?, _ range: ClosedRange<Double>) throws(SettingError) {
        guard let value, !range.contains(value) else { return }
        throw SettingError("\(option) is \(value), expected a number from \(range.lowerBound) to \(range.upperBound)")
    }

    private static func json(of result: LoadResult) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(result), as: UTF8.self)
    }
}
