import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import EventQueue

/// The same sequence for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension Claim {
    static func sample(
        id: EventID = EventID(),
        place: Int64,
        node: String = "node",
        deadline: ContinuousClock.Instant = .now + .seconds(29)
    ) -> Claim {
        Claim(
            id: id,
            place: place,
            attempt: 1,
            deadline: deadline,
            endpoint: "/webhook",
            node: node,
            payload: [],
            trace: nil,
            waited: nil,
            lane: 0
        )
    }
}

extension NewEvent {
    /// An event whose payload is `text` as a JSON string.
    static func sample(
        id: EventID = EventID(),
        node: String = "node",
        text: String = "hello",
        timeLeft: Duration = .seconds(29)
    ) -> NewEvent {
        NewEvent(
            id: id,
            endpoint: "/webhook",
            node: node,
            payload: Array("\"\(text)\"".utf8),
            deadline: .now + timeLeft
        )
    }
}

extension LaneOptions {
    static func sample(
        _ nodes: [String]? = ["node"],
        excluding: [String] = [],
        slots: Int = 10,
        maxAttempts: Int = 3,
        atMostOnce: Bool = false
    ) -> LaneOptions {
        LaneOptions(
            nodes: nodes,
            excluding: excluding,
            slots: slots,
            maxAttempts: maxAttempts,
            atMostOnce: atMostOnce
        )
    }
}

extension PostgresCall {
    /// A statement made up by a test.
    static func sql(_ sql: String, _ append: (inout PostgresArguments) -> Void = { _ in }) -> PostgresCall {
        var arguments = PostgresArguments()
        append(&arguments)
        return PostgresCall(PostgresStatement(name: "test \(sql.hashValue)", sql: sql), arguments)
    }
}

/// The queue's functions as the Swift clients call them, one at a time.
extension PostgresConnection {
    func register(
        _ role: ProcessSession.Role,
        _ lanes: [LaneOptions] = [],
        as process: Int32? = nil,
        instance: Int64 = 1
    ) throws(PostgresError) -> (process: Int32, lanes: [Int32]) {
        let rows = try self.execute(
            PostgresCall(
                Statements.register,
                .of {
                    $0.append(role.rawValue)
                    $0.append("test-\(role.rawValue)")
                    $0.append("host")
                    $0.append(Int32(4711))
                    $0.append(Version.current)
                    $0.append(jsonb: LaneOptions.json(lanes))
                    if let process { $0.append(process) } else { $0.appendNull() }
                    $0.append(true)
                    $0.append(instance)
                }
            )
        )
        return (rows.integer(0, 0), rows.integers(0, 1))
    }

    func heartbeat(
        _ process: Int32,
        busy: Int32 = 0
    ) throws(PostgresError)
        -> (live: Bool, maintains: Bool, spare: Bool)
    {
        let rows = try self.execute(
            PostgresCall(
                Statements.heartbeat,
                .of {
                    $0.append(process)
                    $0.append(busy)
                }
            )
        )
        return (rows.bool(0, 0), rows.bool(0, 1), rows.bool(0, 2))
    }

    @discardableResult
    func enqueue(_ events: [NewEvent], ingress: Int32) throws(PostgresError) -> [EventID] {
        try self.execute(.enqueue(events, ingress: ingress))
        return events.map(\.id)
    }

    /// The last place given out.
    var highWater: Int64 {
        get throws(PostgresError) { try self.execute(.sql("select rejoinder.high_water()")).integer(0, 0) }
    }

    func claim(
        _ worker: Int32,
        _ lane: LaneOptions = .sample(),
        count: Int = 10,
        after place: Int64 = 0,
        proving: Bool = false
    ) throws(PostgresError) -> [Claim] {
        let rows = try self.execute(.claim(worker: worker, lane: lane, count: count, after: place, proving: proving))
        return (0..<rows.count).filter { !rows.isNull($0, 0) }.map { row in
            Claim(
                id: EventID(rows.uuid(row, 0)),
                place: rows.integer(row, 1),
                attempt: Int(rows.integer(row, 2, as: Int16.self)),
                deadline: .now + .milliseconds(rows.integer(row, 3, as: Int32.self)),
                endpoint: rows.string(row, 5),
                node: rows.string(row, 6),
                payload: rows.bytes(row, 7),
                trace: nil,
                waited: nil,
                lane: 0
            )
        }
    }

    /// - Returns: what was accepted, with the state that it has now.
    @discardableResult
    func answer(
        _ worker: Int32,
        _ outcomes: [(claim: Claim, outcome: AttemptOutcome)]
    ) throws(PostgresError) -> [EventID: String] {
        let function = PostgresStatement(
            name: "test answer",
            sql: "select id, state::text from rejoinder.answer($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        )
        let told = outcomes.map { (claim: $0.claim, outcome: $0.outcome, handled: Handled?.none) }
        let rows = try self.execute(PostgresCall(function, PostgresCall.answer(worker: worker, told).arguments))
        return Dictionary(
            uniqueKeysWithValues: (0..<rows.count).map { (EventID(rows.uuid($0, 0)), rows.string($0, 1)) }
        )
    }

    func settle(_ ids: [EventID]) throws(PostgresError) {
        try self.execute(.sql("select rejoinder.settle($1)") { $0.append(uuids: ids.map(\.halves)) })
    }

    func release(_ worker: Int32, _ claims: [Claim]) throws(PostgresError) -> Int32 {
        try self.execute(.release(worker: worker, claims.map { ($0.id, $0.place) })).integer(0, 0)
    }

    /// - Returns: what was live until now.
    func abandon(_ events: [(id: EventID, as: Abandonment)]) throws(PostgresError) -> Set<EventID> {
        Set(try self.execute(.abandon(events)).uuids(0, 0).map { EventID($0) })
    }

    func wake(_ nodes: [String]) throws(PostgresError) -> Int32 { try self.execute(.wake(nodes)).integer(0, 0) }

    func recover(after place: Int64 = 0) throws(PostgresError) -> [Int32] {
        let rows = try self.execute(
            PostgresCall(
                Statements.recover,
                .of {
                    $0.append(place)
                    $0.append(true)
                }
            )
        )
        return (0..<3).map { rows.integer(0, $0) }
    }

    /// A row for each event, in the order of the queue: the columns given, as text.
    func events(_ columns: String...) throws(PostgresError) -> [[String?]] {
        let list = columns.map { "\($0)::text" }.joined(separator: ", ")
        return try self.query("select \(list) from rejoinder.event order by place")
    }

    /// How many milliseconds an event was in the queue, up to its last attempt.
    func waited(_ id: EventID) throws -> Int {
        let rows = try self.query(
            """
            select (extract(epoch from claimed_at - enqueued_at)::double precision * 1000)::integer::text
              from rejoinder.event
             where id = '\(id)'
            """
        )
        return try #require(rows.first?.first?.flatMap { Int($0) })
    }

    /// These nodes have been called before.
    func known(_ nodes: String...) throws {
        for node in nodes { try self.query("insert into rejoinder.node (name) values ('\(node)')") }
    }

    /// Notifies a process, which the owner alone can.
    func notify(_ process: Int32, _ payload: String) throws {
        try self.query("select pg_notify(rejoinder.channel(\(process)), '\(payload)')::text")
    }

    /// Listens on the channel of a process, which the owner alone knows besides.
    func notifications(of process: Int32) throws -> Mailbox<String> {
        let channel = try self.query("select rejoinder.channel(\(process))")[0][0]
        return try self.notifications(at: try #require(channel))
    }

    func notifications(at channel: String) throws(PostgresError) -> Mailbox<String> {
        let mailbox = Mailbox<String>()
        try self.execute(PostgresCall(Statements.listen, .of { $0.append(channel) }))
        self.watch(onNotification: { mailbox.send($0.payload) }, onClose: { _ in })
        return mailbox
    }
}

/// What an ingress is told of an event that has come to an end, with its answer where that is short: `waited` milliseconds
/// in the queue, or never claimed.
func done(_ id: EventID, _ attempt: Int = 1, waited: Int? = nil, _ answer: String? = nil) -> String {
    "done\u{1E}\(id)" + (answer.map { " \(attempt) \(waited.map(String.init) ?? "-") \($0)" } ?? "")
}

extension PostgresArguments {
    static func of(_ append: (inout PostgresArguments) -> Void) -> PostgresArguments {
        var arguments = PostgresArguments()
        append(&arguments)
        return arguments
    }
}
