import ArgumentParser
import LocalPostgres
import Settings
import Stage
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Measure, print a table, and write it as JSON.",
        discussion: Scenario.all.map { "\($0.letter)  \($0.title)" }.joined(separator: "\n")
    )

    @Option(help: ArgumentHelp("Only these, such as a,b,f.", valueName: "letters"))
    var only: String?

    @Option(help: "How long each load lasts. Default: as the targets ask.")
    var seconds: Double?

    @Flag(help: "Shorter, for a look.")
    var quick = false

    @Flag(
        help: "Exit with 1 where a ratio is missed, or a call was not answered right. Figures alone are not looked at."
    )
    var check = false

    @Option(help: ArgumentHelp("Where the JSON goes.", valueName: "file"))
    var json = ".rejoinder/benchmark.json"

    func run() async throws {
        OpenFiles.allowAsManyAsPossible()
        let scenarios = try self.scenarios()
        let report: Report
        do {
            report = try await endingOnSignals { try await self.report(on: scenarios) }
        } catch is Interrupted {
            StandardError.print("bench: interrupted")
            throw ExitCode(130)
        }
        print(report.text)
        try report.write(to: self.json)
        let mistakes = Load.mistakes.load(ordering: .relaxed)
        if mistakes > 0 { StandardError.print("bench: \(mistakes) calls got a wrong reply, or none") }
        if mistakes > 0 || report.rows.contains(where: { $0.verdict == .failed }) { throw ExitCode(1) }
        if self.check, !report.rows.allSatisfy(\.passesCheck) { throw ExitCode(1) }
    }

    private func scenarios() throws -> [Scenario] {
        guard let only else { return Scenario.all }
        let letters = only.split { $0 == "," || $0 == " " }.map(String.init)
        let chosen = Scenario.all.filter { letters.contains($0.letter) }
        guard !letters.isEmpty, chosen.count == letters.count else {
            throw ValidationError("--only is \"\(only)\", expected letters from a to o, such as a,b,f")
        }
        return chosen
    }

    private var length: Bench.Length {
        if let seconds { return .seconds(max(0.5, seconds)) }
        return self.quick ? .quick : .full
    }

    private func report(on scenarios: [Scenario]) async throws -> Report {
        let folder = try Self.makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = await Bench(length: self.length, folder: folder)
        var rows: [Row] = []
        for scenario in scenarios {
            bench.says("\(scenario.letter), \(scenario.title)")
            do {
                rows += try await scenario.measure(bench)
            } catch {
                try Task.checkCancellation()
                bench.says("\(scenario.letter) could not be measured: \(error)")
                rows.append(Row(scenario.letter, failed: error))
            }
        }
        return Report(machine: bench.machine, rows: rows + bench.floors.rows, floors: bench.floors.measured)
    }

    /// Where PostgreSQL's user can come too, and on a disk.
    private static func makeFolder() throws -> String {
        let folder = "/var/tmp/rejoinder-benchmark-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o755]
        )
        return folder
    }
}
