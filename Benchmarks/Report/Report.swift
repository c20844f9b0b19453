#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// All that a run has found out.
struct Report: Codable, Sendable {
    let machine: Machine
    let rows: [Row]
    let floors: Floors.Measured

    var text: String { "\(self.machine.text)\n\n\(Table(self.rows).text)" }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let url = URL(filePath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try encoder.encode(self).write(to: url, options: .atomic)
    }
}
