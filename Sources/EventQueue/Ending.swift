/// How a caller's wait ends.
package struct Ending: Sendable {
    package let outcome: Outcome
    /// How long the event was in the queue, up to its last attempt.
    ///
    /// For those who look; nil where that is not known.
    package let waited: Duration?
    /// When the outcome was known here.
    package let at: ContinuousClock.Instant

    package init(_ outcome: Outcome, waited: Duration? = nil, at instant: ContinuousClock.Instant = .now) {
        self.outcome = outcome
        self.waited = waited
        self.at = instant
    }
}
