import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Where the programs are that take part.
package enum Programs {
    /// This one.
    package static let own =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]

    /// The build's others are beside it.
    package static func built(_ name: String) -> String {
        FilePath(self.own).removingLastComponent().appending(name).string
    }

    package static let rejoinder = built("rejoinder")
}
