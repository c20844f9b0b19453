/// What one check found.
package struct Finding: Sendable, Equatable {
    package enum Verdict: String, Sendable, CaseIterable {
        case ok
        /// It could not be looked at.
        case skipped
        /// It works, but not well, or not for long.
        case warning
        /// It doesn't work, or what is promised doesn't hold.
        case broken
    }

    /// The check's name.
    package let check: String
    package let verdict: Verdict
    /// What is so, or what is wrong, in one line.
    package let summary: String
    /// A command or SQL that mends it, in one line; nil where nothing needs to be done.
    package let remedy: String?

    package init(_ check: String, _ verdict: Verdict, _ summary: String, remedy: String? = nil) {
        self.check = check
        self.verdict = verdict
        self.summary = summary
        self.remedy = remedy
    }
}

extension [Finding] {
    /// 0 where all is fine, 1 with warnings, 2 where something is broken.
    package var exitCode: Int32 {
        if self.contains(where: { $0.verdict == .broken }) { return 2 }
        return self.contains { $0.verdict == .warning } ? 1 : 0
    }
}
