#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The package's files, by their paths from its folder.
enum Pages {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The files below a folder whose names end so.
    static func files(under folder: String, ending: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: "\(self.root)/\(folder)")
            .filter { $0.hasSuffix(ending) && !$0.contains(".build/") }
            .map { "\(folder)/\($0)" }
            .sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(self.root)/\(path)", encoding: .utf8)
    }
}
