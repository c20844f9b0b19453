import ArgumentParser
import Doctor
import HaptikWebhook

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "What is wrong, and the line that mends it: exit code 0 fine, 1 warnings, 2 broken.",
        discussion: """
            Looks at the database that DATABASE_URL names, with its login, and at what an ingress would be told by the \
            same options, environment and file. Changes nothing. What the login may not see is skipped, with the grant \
            that shows it.
            """
    )

    @Flag(help: "As JSON, for programs.")
    var json = false

    @Flag(help: "Only what ingress and workers look at when they start.")
    var quick = false

    @OptionGroup var flags: IngressFlags

    func run() async throws {
        let database = Database.uncheckedConfiguration("rejoinder-doctor")
        var findings = await Examination(database, showsAddress: true, logger: .quiet).findings(quickly: self.quick)
        if !self.quick {
            let environment = ProcessInfo.processInfo.environment
            findings += await IngressExamination(flags: self.flags, environment: environment).findings()
            findings += await OperatorLoginCheck(
                configuration: Database.uncheckedOperatorConfiguration("rejoinder-doctor-operator")
            ).findings()
        }
        print(self.json ? Self.json(findings) : Self.text(findings))
        if findings.exitCode != 0 { throw ExitCode(findings.exitCode) }
    }

    /// A line for each finding, and beneath it the one that mends it.
    static func text(_ findings: [Finding]) -> String {
        let width = findings.map(\.check.count).max() ?? 0
        var lines: [String] = []
        for finding in findings {
            let verdict = finding.verdict.rawValue.padded(to: 8)
            lines.append("\(verdict) \(finding.check.padded(to: width))  \(finding.summary)")
            if let remedy = finding.remedy {
                lines.append("\("".padded(to: 8)) \("".padded(to: width))  mend: \(remedy)")
            }
        }
        let counts = Finding.Verdict.allCases.map { verdict in
            "\(findings.count { $0.verdict == verdict }) \(verdict.rawValue)"
        }
        return (lines + ["", counts.joined(separator: ", ")]).joined(separator: "\n")
    }

    static func json(_ findings: [Finding]) -> String {
        let words = ["ok", "warning", "broken"]
        let value = JSONValue.object([
            "verdict": .string(words[Int(findings.exitCode)]),
            "findings": .array(
                findings.map { finding in
                    .object([
                        "check": .string(finding.check), "verdict": .string(finding.verdict.rawValue),
                        "summary": .string(finding.summary), "remedy": finding.remedy.map { .string($0) } ?? .null,
                    ])
                }
            ),
        ])
        return String(decoding: value.encoded(), as: UTF8.self)
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - self.count))
    }
}
