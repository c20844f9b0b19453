import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Where the programs are that take part.
enum Programs {
    /// This one.
    static let benchmark =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]

    /// The build's others are beside it.
    static func built(_ name: String) -> String {
        FilePath(self.benchmark).removingLastComponent().appending(name).string
    }

    static let rejoinder = built("rejoinder")
}
