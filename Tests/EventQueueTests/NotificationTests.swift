import TestSupport
import Testing

@testable import EventQueue

@Suite("What a process is told")
struct NotificationTests {
    private static let id = EventID()
    private static let other = EventID()

    private func settled(_ records: String) throws -> [QueueNotification.Settled] {
        let notification = try #require(QueueNotification(payload: "done" + records))
        guard case .done(let settled) = notification else { throw TestTimeout("\(notification)") }
        return settled
    }

    @Test("a worker is woken, or told what nobody waits for")
    func worker() {
        #expect(QueueNotification(payload: "wake 7") == .wake(lane: 7))
        #expect(QueueNotification(payload: "cancel \(Self.id)") == .cancel(Self.id))
        #expect(QueueNotification(payload: "cancel \(Self.id.description.uppercased())") == .cancel(Self.id))
    }

    @Test(
        "a worker is handed an event, byte for byte",
        arguments: [
            ("/webhook", "node", nil, "{}"), ("/a b", "näm:e 7", "00-0af7-01", #"{"a": ":\u001e"}"#),
            ("", "", nil, " 1 "),
        ]
    )
    func grant(endpoint: String, node: String, trace: String?, payload: String) {
        let lengths = "\(endpoint.utf8.count) \(node.utf8.count) \(trace?.utf8.count ?? 0)"
        let grant = QueueNotification.Grant(
            lane: 7,
            id: Self.id,
            place: 1 << 40,
            timeLeft: .milliseconds(-5),
            endpoint: endpoint,
            node: node,
            trace: trace,
            payload: Array(payload.utf8)
        )
        let text = "grant 7 \(Self.id) \(1 << 40) -5 \(lengths):\(endpoint)\(node)\(trace ?? "")\(payload)"
        #expect(QueueNotification(payload: text) == .grant(grant))
    }

    @Test(
        "what is no grant is left alone",
        arguments: [
            "", " ", " 7", " 7 x 1 1 0 0 0:", " 7 \(id) 1 1 0 0:", " 7 \(id) 1 1 0 9 0:{}", " 7 \(id) 1 1 -1 0 0:{}",
            " 7 \(id) 1 1 \(Int.max) 1 0:{}", " 7 \(id) 1 1 1 \(Int.max) \(Int.max):{}",
        ]
    )
    func noGrant(_ text: String) {
        #expect(QueueNotification(payload: "grant" + text) == nil)
    }

    @Test("an ingress is told of many events at once, with their answers where those are there")
    func done() throws {
        let settled = try self.settled(
            "\u{1E}\(Self.id)\u{1E}\(Self.other) 3 1250 {\"status\":true}\u{1E}\(Self.id) 1 - null"
        )
        #expect(
            settled == [
                .init(id: Self.id, answer: nil),
                .init(
                    id: Self.other,
                    answer: .init(attempt: 3, waited: .milliseconds(1250), bytes: Array(#"{"status":true}"#.utf8))
                ),
                .init(id: Self.id, answer: .init(attempt: 1, waited: nil, bytes: Array("null".utf8))),
            ]
        )
        #expect(try self.settled("") == [])
        #expect(try self.settled("\u{1E}") == [])
    }

    @Test(
        "an answer is taken byte for byte",
        arguments: [
            "{}", " {} ", "   [1, 2]  ", "\t{\n\t\"a\": 1\r\n}\n", #""é \u0000 😀 \u001e""#, "\"\u{7F}\u{2028}\"", "1",
            "\" 2 {} \"", "[\"done\", \"\(other) 1 {}\"]", String(repeating: " ", count: 3000) + "0",
        ]
    )
    func bytes(_ answer: String) throws {
        let settled = try self.settled("\u{1E}\(Self.id) 2 7 \(answer)\u{1E}\(Self.other)")
        #expect(
            settled == [
                .init(id: Self.id, answer: .init(attempt: 2, waited: .milliseconds(7), bytes: Array(answer.utf8))),
                .init(id: Self.other, answer: nil),
            ]
        )
    }

    @Test(
        "what follows an id and is no attempt with an answer is to be asked for",
        arguments: [
            "", " ", " 1", " 1 ", " 1 2", " 1 2 ", " 1 {}", " x 2 {}", " 99999999999999999999 2 {}", "  ", "   ", " {}",
        ]
    )
    func noAnswer(_ rest: String) throws {
        #expect(try self.settled("\u{1E}\(Self.id)\(rest)") == [.init(id: Self.id, answer: nil)])
    }

    @Test(
        "a malformed record does not spoil the others",
        arguments: ["x", "", " ", "\(id)\(id)", "x 1 2 {}", "é", "1 2 3 4"]
    )
    func malformed(_ record: String) throws {
        let settled = try self.settled("\u{1E}\(record)\u{1E}\(Self.id) 1 0 2\u{1E}\(record)\u{1E}\(Self.other)\u{1E}")
        #expect(
            settled == [
                .init(id: Self.id, answer: .init(attempt: 1, waited: .zero, bytes: [UInt8(ascii: "2")])),
                .init(id: Self.other, answer: nil),
            ]
        )
    }

    @Test("what an operator has said of a node or a worker, whatever the node's name")
    func steering() {
        for node in ["price", "a node", "é \u{1E} done", " "] {
            #expect(QueueNotification(payload: "refuse \(node)") == .refuse(node: node))
            #expect(QueueNotification(payload: "admit \(node)") == .admit(node: node))
        }
        #expect(QueueNotification(payload: "drain") == .drain)
    }

    @Test(
        "what a later version may send is ignored",
        arguments: [
            "", " ", "\u{1E}", "wake", "wake ", "wake x", "wake 7 8", "wake  7", "wake 99999999999", "cancel",
            "cancel 1",
            "cancel \(id) \(id)", "hello 1", "DONE", "done,", " done", "doneé", "é",
        ]
    )
    func unknown(_ payload: String) {
        #expect(QueueNotification(payload: payload) == nil)
    }

    @Test("no text makes it trap, and what it reads of events is theirs", arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SeededGenerator(seed)
        let pieces = [
            "done", "wake", "cancel", " ", " ", "\u{1E}", "\u{1E}", "\(Self.id)", "\(Self.other)", "1", "-1", "{}", "é",
            "\u{0}", ",",
        ]
        for _ in 0..<1000 {
            let payload = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                pieces[Int.random(in: pieces.indices, using: &random)]
            }.joined()
            guard case .done(let settled)? = QueueNotification(payload: payload) else { continue }
            #expect(settled.allSatisfy { $0.id == Self.id || $0.id == Self.other }, "\(payload)")
            #expect(settled.allSatisfy { $0.answer?.bytes.isEmpty != true }, "\(payload)")
        }
    }
}
