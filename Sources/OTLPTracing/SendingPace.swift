/// How long it takes until spans are sent again.
struct SendingPace: Sendable {
    private static let usual = Duration.seconds(1)

    private(set) var delay = SendingPace.usual

    /// The collector has what was sent, or will never take it.
    mutating func goOn() { self.delay = Self.usual }

    /// The same is to be sent again: when the collector wishes it, within a minute; else after twice as long as the last
    /// time, half a minute at most.
    mutating func putOff(by wish: Duration?) {
        self.delay = wish.map { min(max($0, Self.usual), .seconds(60)) } ?? min(self.delay * 2, .seconds(30))
    }
}
