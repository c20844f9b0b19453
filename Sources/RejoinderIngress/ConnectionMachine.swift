/// Where one connection stands: a pure state machine, one method per event.
///
/// Requests may be pipelined: several can be under way, they are answered in order, and a refusal of what follows waits
/// for those before it.
struct ConnectionMachine {
    enum Reading { case nothing, head, body }

    /// How many requests of one connection are taken at a time; a caller that pipelines more asks again for the rest (RFC 9112,
    /// section 9.3.2).
    ///
    /// Those that wait for their turn are kept whole, and each that is answered at once is answered within the one before it.
    static let mostPipelined = 16

    /// What has begun to come in, and is not complete.
    private(set) var reading = Reading.nothing
    /// Heads that came in, less responses that have ended.
    private var underWay = 0
    private var hasResponseStarted = false
    private var closesAfterResponse = false
    private var pending: Problem?
    /// More requests came than are taken: the connection closes once these are answered.
    private var isFull = false
    /// Nothing more is read or written.
    var isClosing = false
    /// Since the first bytes of what is being read.
    private var bytesRead = 0

    /// Nothing is under way, and nothing has begun to come in.
    var isIdle: Bool { self.reading == .nothing && self.underWay == 0 }

    /// No request has come, but for a part of its head.
    var awaitsRequest: Bool { self.reading != .body && self.underWay == 0 }

    /// What comes in is taken: no refusal stands before it.
    var isTaking: Bool { !self.isClosing && self.pending == nil && !self.isFull }

    /// It is the caller's turn to send.
    ///
    /// While a request before it is under way, what it sends is not read.
    var awaitsCaller: Bool {
        switch self.reading {
        case .nothing: false
        case .head: true
        case .body: self.underWay <= 1
        }
    }

    /// While one request is under way nothing of the next has come: the first bytes of it may be read.
    var readsAhead: Bool { self.isTaking && self.reading == .nothing && self.underWay == 1 && self.bytesRead == 0 }

    /// Bytes that nobody has made sense of yet: the first of a head, unless a request is under way.
    mutating func bytesArrived(_ count: Int) {
        guard !self.isClosing else { return }
        if self.isIdle {
            self.reading = .head
            self.bytesRead = 0
        }
        self.bytesRead += count
    }

    /// What is being read has taken more bytes than any that is within the limits.
    ///
    /// The parser counts neither the space around a field's value nor the extensions of a chunk.
    func padding(over limits: ConnectionGuard.Limits) -> Problem? {
        switch self.reading {
        case .nothing: nil
        case .head: self.bytesRead > 2 * limits.headBytes ? .headTooLarge : nil
        // The densest of honest bodies are chunks of one byte each, six bytes on the wire.
        case .body: self.bytesRead > 2 * limits.headBytes + 8 * limits.bodyBytes ? .bodyTooLarge : nil
        }
    }

    /// What had come was not the beginning of a head: the connection is idle.
    mutating func handshakeEnded() {
        self.reading = .nothing
        self.bytesRead = 0
    }

    /// - Returns: whether the request is taken.
    mutating func headArrived() -> Bool {
        guard self.underWay < Self.mostPipelined else {
            self.isFull = true
            return false
        }
        self.reading = .body
        self.underWay += 1
        return true
    }

    mutating func endArrived() {
        self.reading = .nothing
        self.bytesRead = 0
    }

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
        if self.closesAfterResponse || (self.isFull && self.underWay == 0) { return .close }
        if self.underWay == 0, self.reading == .nothing, self.bytesRead > 0 { self.reading = .head }
        guard let pending, self.underWay <= self.brokenOnes else { return .goOn }
        return .refuse(pending)
    }

    enum Refusal { case sendNow, sendLater, closeNow, ignore }

    /// What comes in next is not a request, or does not come in time.
    mutating func failed(with problem: Problem) -> Refusal {
        guard self.isTaking else { return .ignore }
        // One reply for one call: the request whose body fails has had its own already.
        if self.reading == .body, self.underWay == 0 { return .closeNow }
        if self.underWay > self.brokenOnes {
            self.pending = problem
            return .sendLater
        }
        return self.hasResponseStarted ? .closeNow : .sendNow
    }

    /// How many of those under way will never be complete.
    private var brokenOnes: Int { self.reading == .body ? 1 : 0 }
}
