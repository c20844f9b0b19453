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
        // The indices of a String's views are checked one by one, and this is read for each event.
        let text = Array(payload.utf8)[...]
        let kind = text.prefix { $0 != Self.space && $0 != Self.separator }
        let rest = text[kind.endIndex...]
        switch String(decoding: kind, as: UTF8.self) {
        case "done":
            self = .done(rest.split(separator: Self.separator).compactMap(Self.settled))
        case "wake":
            guard let lane = Int32(digits: rest.dropFirst()) else { return nil }
            self = .wake(lane: lane)
        case "grant":
            guard let grant = Self.grant(rest.dropFirst()) else { return nil }
            self = .grant(grant)
        case "cancel":
            guard let id = EventID(utf8: rest.dropFirst()) else { return nil }
            self = .cancel(id)
        case "drain": self = .drain
        case "refuse": self = .refuse(node: String(decoding: rest.dropFirst(), as: UTF8.self))
        case "admit": self = .admit(node: String(decoding: rest.dropFirst(), as: UTF8.self))
        default:
            return nil
        }
    }

    private static let space = UInt8(ascii: " ")

    /// A record separator comes before each record (RFC 7464), and never in a JSON text.
    private static let separator: UInt8 = 0x1E

    /// `ID`, or `ID ATTEMPT WAITED ANSWER`: waited in milliseconds, or `-`.
    private static func settled(_ record: ArraySlice<UInt8>) -> Settled? {
        var rest = record
        guard let id = EventID(utf8: rest.takeField()) else { return nil }
        let attempt = Int(digits: rest.takeField())
        let waited = Int64(digits: rest.takeField()).map { Duration.milliseconds($0) }
        guard let attempt, !rest.isEmpty else { return Settled(id: id, answer: nil) }
        return Settled(id: id, answer: Answer(attempt: attempt, waited: waited, bytes: Array(rest)))
    }

    /// As `rejoinder.grant_of` writes it.
    private static func grant(_ text: ArraySlice<UInt8>) -> Grant? {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let fields = text[..<colon].split(separator: Self.space)
        guard fields.count == 7, let lane = Int32(digits: fields[0]), let id = EventID(utf8: fields[1]),
            let place = Int64(digits: fields[2]), let timeLeft = Int64(digits: fields[3])
        else { return nil }
        var rest = text[(colon + 1)...]
        var texts: [String] = []
        for field in fields[4...] {
            guard let length = Int(digits: field), 0...rest.count ~= length else { return nil }
            texts.append(String(decoding: rest.prefix(length), as: UTF8.self))
            rest = rest.dropFirst(length)
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

extension ArraySlice<UInt8> {
    /// Takes what comes before the next space, and the space.
    fileprivate mutating func takeField() -> ArraySlice<UInt8> {
        let end = self.firstIndex(of: UInt8(ascii: " "))
        defer { self = end.map { self[($0 + 1)...] } ?? [] }
        return self[..<(end ?? self.endIndex)]
    }
}

extension FixedWidthInteger {
    fileprivate init?(digits text: ArraySlice<UInt8>) {
        self.init(String(decoding: text, as: UTF8.self))
    }
}
