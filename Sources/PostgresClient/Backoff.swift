/// The waits between tries to connect: doubling from `first` up to `longest`, each drawn from its upper half.
package struct Backoff: Sendable {
    private let first: Duration
    private let longest: Duration
    private var tries = 0

    /// The defaults bring everybody back within half a second of a database's return, and ask it at most a few times a
    /// second each meanwhile.
    package init(first: Duration = .milliseconds(20), longest: Duration = .milliseconds(400)) {
        self.first = first
        self.longest = longest
    }

    package mutating func next() -> Duration {
        let upper = min(self.first * (1 << min(self.tries, 16)), self.longest)
        self.tries += 1
        return upper * Double.random(in: 0.5...1)
    }
}
