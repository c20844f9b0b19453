/// What one check found.
package struct Finding: Sendable, Equatable {
    package enum Verdict: String, Sendable, CaseIterable {
        case ok
        /// It could not be looked at, by this login or from here.
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

extension Finding {
    /// That a check came to no end, which is no fault of its login: what it would have found may be there.
    static func failed(_ check: String, _ reason: String, isTimeout: Bool) -> Finding {
        Finding(
            check,
            .warning,
            "could not be looked at: \(reason)",
            remedy: isTimeout
                ? "select pid, pg_blocking_pids(pid), query from pg_stat_activity where wait_event_type = 'Lock'"
                : "rejoinder doctor # again; PostgreSQL's log may say more"
        )
    }
}

extension [Finding] {
    /// 0 where all is fine, 1 with warnings, 2 where something is broken.
    package var exitCode: Int32 {
        if self.contains(where: { $0.verdict == .broken }) { return 2 }
        return self.contains { $0.verdict == .warning } ? 1 : 0
    }
}
