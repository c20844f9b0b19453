#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A pseudo-random sequence that is the same in every run (SplitMix64).
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(state: UInt64) { self.state = state }

    /// So many seeds, for as many cases of a test; or as many as the variable REJOINDER_FUZZ_SEEDS says.
    package static func seeds(_ count: Int, from first: UInt64 = 1) -> [UInt64] {
        let wanted = ProcessInfo.processInfo.environment["REJOINDER_FUZZ_SEEDS"].flatMap { Int($0) } ?? count
        return (0..<max(1, wanted)).map { first + UInt64($0) }
    }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
