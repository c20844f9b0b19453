import PostgresClient

/// What a process is told on its channel.
enum QueueNotification: Sendable, Hashable {
    /// To an ingress: these events have come to an end.
    case done([Settled])
    /// To a worker: one of its lanes may find something.
    case wake(lane: Int32)
    /// To a worker: this event has been claimed for one of its lanes.
    case grant(Grant)
    /// To a worker: nobody waits for this event any more.
    case cancel(EventID)
    /// To a worker: an operator wants it to stop in order.
    case drain
    /// To an ingress: the node is paused, and its callers are not to be let in.
    case refuse(node: String)
    /// To an ingress: the node's callers may come in.
    case admit(node: String)

    /// An event that has come to an end, with its answer where that is short.
    struct Settled: Sendable, Hashable {
        let id: EventID
        /// Nil where one must ask for what has become of it.
        let answer: Answer?
    }

    struct Answer: Sendable, Hashable {
        let attempt: Int
        /// In the queue, up to that attempt; nil when it was never claimed.
        let waited: Duration?
        let bytes: [UInt8]
    }

    /// An event that was claimed as it was enqueued, at its first attempt.
    struct Grant: Sendable, Hashable {
        let lane: Int32
        let id: EventID
        let place: Int64
        let timeLeft: Duration
        let endpoint: String
        let node: String
        /// A traceparent.
        let trace: String?
        let payload: [UInt8]
    }

    /// Reads what `rejoinder.settle`, `wake`, `enqueue`, `abandon` and the operator's functions send; nil for anything else, which may come from a later version.
    init?(payload: String) {
        let text = payload.utf8
        let kind = text.prefix { $0 != UInt8(ascii: " ") && $0 != Self.separator }
        let rest = text[kind.endIndex...]
        switch String(Substring(kind)) {
        case "done":
            self = .done(rest.split(separator: Self.separator).compactMap(Self.settled))
        case "wake":
            guard let lane = Int32(Substring(rest.dropFirst())) else { return nil }
            self = .wake(lane: lane)
        case "grant":
            guard let grant = Self.grant(rest.dropFirst()) else { return nil }
            self = .grant(grant)
        case "cancel":
            guard let id = EventID(Substring(rest.dropFirst())) else { return nil }
            self = .cancel(id)
        case "drain": self = .drain
        case "refuse": self = .refuse(node: String(Substring(rest.dropFirst())))
        case "admit": self = .admit(node: String(Substring(rest.dropFirst())))
        default:
            return nil
        }
    }

    /// A record separator comes before each record (RFC 7464), and never in a JSON text.
    private static let separator: UInt8 = 0x1E

    /// `ID`, or `ID ATTEMPT WAITED ANSWER`: waited in milliseconds, or `-`.
    private static func settled(_ record: Substring.UTF8View) -> Settled? {
        let parts = record.split(separator: UInt8(ascii: " "), maxSplits: 3)
        guard let id = parts.first.flatMap({ EventID(Substring($0)) }) else { return nil }
        guard parts.count == 4, let attempt = Int(Substring(parts[1])) else { return Settled(id: id, answer: nil) }
        let waited = Int64(Substring(parts[2])).map { Duration.milliseconds($0) }
        return Settled(id: id, answer: Answer(attempt: attempt, waited: waited, bytes: Array(parts[3])))
    }

    /// As `rejoinder.grant_of` writes it.
    private static func grant(_ text: Substring.UTF8View) -> Grant? {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let fields = text[..<colon].split(separator: UInt8(ascii: " "))
        guard fields.count == 7, let lane = Int32(Substring(fields[0])), let id = EventID(Substring(fields[1])),
            let place = Int64(Substring(fields[2])), let timeLeft = Int64(Substring(fields[3]))
        else { return nil }
        let lengths = fields[4...].compactMap { Int(Substring($0)) }
        var rest = text[text.index(after: colon)...]
        guard lengths.count == 3, lengths.allSatisfy({ $0 >= 0 }), lengths.reduce(0, +) <= rest.count else {
            return nil
        }
        let texts = lengths.map { length in
            defer { rest = rest.dropFirst(length) }
            return String(Substring(rest.prefix(length)))
        }
        return Grant(
            lane: lane,
            id: id,
            place: place,
            timeLeft: .milliseconds(timeLeft),
            endpoint: texts[0],
            node: texts[1],
            trace: texts[2].isEmpty ? nil : texts[2],
            payload: Array(rest)
        )
    }
}
