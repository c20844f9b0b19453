/// Where one connection stands: a pure state machine, one method per event.
///
/// Requests may be pipelined: several can be under way, they are answered in order, and a refusal of what follows waits
/// for those before it.
struct ConnectionMachine {
    enum Reading { case nothing, head, body }

    /// What has begun to come in, and is not complete.
    private(set) var reading = Reading.nothing
    /// Heads that came in, less responses that have ended.
    private var underWay = 0
    private var hasResponseStarted = false
    private var closesAfterResponse = false
    private var pending: Problem?
    /// Nothing more is read or written.
    var isClosing = false

    /// Nothing is under way, and nothing has begun to come in.
    var isIdle: Bool { self.reading == .nothing && self.underWay == 0 }

    /// The request that has just come in is the only one under way.
    var isAlone: Bool { self.underWay == 1 }

    /// Bytes that nobody has made sense of yet: the first of a head, unless a request is under way.
    mutating func bytesArrived() {
        guard !self.isClosing, self.isIdle else { return }
        self.reading = .head
    }

    mutating func headArrived() {
        self.reading = .body
        self.underWay += 1
    }

    mutating func endArrived() { self.reading = .nothing }

    mutating func responseStarted(closing: Bool) {
        self.hasResponseStarted = true
        self.closesAfterResponse = closing
    }

    enum AfterResponse: Equatable {
        case goOn, close
        case refuse(Problem)
    }

    mutating func responseEnded() -> AfterResponse {
        self.underWay -= 1
        self.hasResponseStarted = false
        if self.closesAfterResponse { return .close }
        guard let pending, self.underWay <= self.brokenOnes else { return .goOn }
        return .refuse(pending)
    }

    enum Refusal { case sendNow, sendLater, closeNow, ignore }

    /// What comes in next is not a request, or does not come in time.
    mutating func failed(with problem: Problem) -> Refusal {
        guard !self.isClosing, self.pending == nil else { return .ignore }
        if self.underWay > self.brokenOnes {
            self.pending = problem
            return .sendLater
        }
        return self.hasResponseStarted ? .closeNow : .sendNow
    }

    /// How many of those under way will never be complete.
    private var brokenOnes: Int { self.reading == .body ? 1 : 0 }
}
