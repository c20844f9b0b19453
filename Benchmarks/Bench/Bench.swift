import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One run of the benchmark: how long it measures, where it keeps its files, and what it has found out so far.
final class Bench {
    /// How much time there is.
    enum Length {
        /// As the targets say.
        case full
        /// A look.
        case quick
        /// Each load lasts so many seconds.
        case seconds(Double)
    }

    let length: Length
    var machine: Machine
    lazy var floors = Floors(self)
    /// Calls per second at 64 connections, once that is known.
    var saturation: Double?
    private let folder: String
    private var folders = 0

    /// `folder` is the run's own, and must be one that PostgreSQL's user can enter.
    init(length: Length, folder: String) async {
        self.length = length
        self.folder = folder
        self.machine = await Machine.current()
    }

    /// How long a load lasts.
    func seconds(_ full: Double, quick: Double = 5) -> Double {
        switch self.length {
        case .full: full
        case .quick: min(quick, full)
        case .seconds(let seconds): seconds
        }
    }

    /// Whether figures mean nothing, and nothing need be waited for on their account.
    var isShort: Bool { if case .seconds = self.length { true } else { false } }

    /// How many of something that takes time to make.
    func count(_ full: Int, quick: Int, short: Int) -> Int {
        switch self.length {
        case .full: full
        case .quick: quick
        case .seconds: short
        }
    }

    /// A new folder for one scenario's files.
    func newFolder() throws -> String {
        self.folders += 1
        let folder = "\(self.folder)/\(self.folders)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Says what is under way.
    func says(_ text: String) { StandardError.print("bench: \(text)") }
}
