import EventQueue
import HaptikWebhook
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import ServiceLifecycle
import Synchronization
import Testing

@testable import RejoinderIngress

@Suite("a connection's calls")
struct CallHandlerTests {
    /// Keeps what is handed in, and answers when it is told to.
    final class HeldQueue: CallQueue {
        struct State {
            var entered: [(event: NewEvent, onEnding: @Sendable (Ending) -> Void)] = []
            /// How many had been entered whenever they were sent.
            var sent: [Int] = []
            var abandoned: [EventID] = []
            var replied: [(id: EventID, status: Int)] = []
            var unanswered: [String] = []
        }

        let state = Mutex(State())
        let isReady = true

        func enter(_ event: NewEvent, onEnding: @escaping @Sendable (Ending) -> Void) {
            self.state.withLock { $0.entered.append((event, onEnding)) }
        }

        func send() { self.state.withLock { $0.sent.append($0.entered.count) } }

        func abandon(_ id: EventID) { self.state.withLock { $0.abandoned.append(id) } }

        func replied(to id: EventID, status: Int) { self.state.withLock { $0.replied.append((id, status)) } }

        func gaveNoAnswer(_ code: String, node: String?) { self.state.withLock { $0.unanswered.append(code) } }

        func run() async throws {}
    }

    static let body =
        #"{"node":"n","event":"API_INTEGRATION","user":{},"entities":{"a":[{"entity_value":"1"}]}}"#

    let queue = HeldQueue()
    let channel = EmbeddedChannel()
    private let options = IngressOptions(
        endpoints: [Endpoint(path: "/webhook", verifier: nil, deadline: .seconds(29), fallback: nil)]
    )
    private let calls: Calls

    init() throws {
        self.calls = Calls(
            options: self.options,
            endpoints: EndpointTable(self.options.endpoints),
            queue: self.queue,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try self.connect(self.channel)
    }

    private func connect(_ channel: EmbeddedChannel) throws {
        let handler = CallHandler(self.calls)
        try channel.pipeline.syncOperations.addHandlers(
            ByteToMessageHandler(HTTPRequestDecoder()),
            ConnectionGuard(limits: ConnectionGuard.Limits(self.options)) { handler.hungUp() },
            HTTPServerPipelineHandler(),
            handler
        )
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private func send(
        _ method: HTTPMethod,
        _ target: String,
        version: HTTPVersion = .http1_1,
        _ fields: HTTPHeaders = ["content-type": "application/json"],
        body: String? = nil,
        on channel: EmbeddedChannel? = nil
    ) throws {
        var text = "\(method) \(target) HTTP/1.\(version.minor)\r\nhost: a\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if let body { text += "content-length: \(body.utf8.count)\r\n" }
        try (channel ?? self.channel).writeInbound(ByteBuffer(string: text + "\r\n" + (body ?? "")))
    }

    /// The next response in full; nil when there is none.
    private func receive() throws -> (head: HTTPResponseHead, body: String)? {
        self.channel.embeddedEventLoop.run()
        guard case .head(let head)? = try self.channel.readOutbound(as: HTTPServerResponsePart.self) else { return nil }
        var body = ""
        while let part = try self.channel.readOutbound(as: HTTPServerResponsePart.self) {
            if case .body(.byteBuffer(let buffer)) = part { body += String(buffer: buffer) }
            if case .end = part { break }
        }
        return (head, body)
    }

    private func answer(_ index: Int, _ outcome: Outcome) {
        self.queue.state.withLock { $0.entered[index].onEnding }(Ending(outcome))
    }

    @Test("a call goes to the queue as it came, and its answer to the caller byte for byte")
    func call() throws {
        try self.send(.POST, "/webhook?from=bot", body: Self.body)
        let event = try #require(self.queue.state.withLock { $0.entered.first?.event })
        #expect(event.node == "n")
        #expect(event.endpoint == "/webhook")
        #expect(event.payload == Array(Self.body.utf8))
        let none = try self.receive()
        #expect(none == nil)
        self.answer(0, .answered(Array(#"{"status": true, "response": ["a"]}"#.utf8), attempt: 1))
        let response = try #require(try self.receive())
        #expect(response.head.status == .ok)
        #expect(response.body == #"{"status": true, "response": ["a"]}"#)
        #expect(response.head.headers["content-length"] == ["35"])
        #expect(response.head.headers["date"].count == 1)
        #expect(response.head.headers["connection"].isEmpty)
    }

    @Test("calls are sent when all that came with them has been read")
    func sending() throws {
        let other = EmbeddedChannel(handler: nil, loop: self.channel.embeddedEventLoop)
        try self.connect(other)
        for channel in [self.channel, other] { try self.send(.POST, "/webhook", body: Self.body, on: channel) }
        #expect(self.queue.state.withLock { $0.entered.count } == 2)
        #expect(self.queue.state.withLock { $0.sent } == [])
        self.channel.embeddedEventLoop.run()
        #expect(self.queue.state.withLock { $0.sent } == [2])
        self.answer(0, .expired)
        _ = try self.receive()
        try self.send(.POST, "/webhook", body: Self.body)
        self.channel.embeddedEventLoop.run()
        #expect(self.queue.state.withLock { $0.sent } == [2, 3])
    }

    @Test("pipelined calls are taken one after the other, and answered in order")
    func pipelining() throws {
        try self.send(.POST, "/webhook", body: Self.body)
        try self.send(.GET, "/webhook")
        #expect(self.queue.state.withLock { $0.entered.count } == 1)
        let none = try self.receive()
        #expect(none == nil)
        self.answer(0, .expired)
        let first = try #require(try self.receive())
        #expect(first.head.status == .gatewayTimeout)
        let second = try #require(try self.receive())
        #expect(second.head.status == .ok)
        #expect(self.channel.isActive)
    }

    @Test("however many requests come behind a call that waits, a few of them are kept and answered")
    func flood() throws {
        try self.send(.POST, "/webhook", body: Self.body)
        let one = "GET /webhook HTTP/1.1\r\nhost: a\r\n\r\n"
        try self.channel.writeInbound(ByteBuffer(string: String(repeating: one, count: 5000)))
        let none = try self.receive()
        #expect(none == nil)
        self.answer(0, .expired)
        var statuses: [HTTPResponseStatus] = []
        while let response = try self.receive() { statuses.append(response.head.status) }
        #expect(statuses == [.gatewayTimeout] + Array(repeating: .ok, count: ConnectionMachine.mostPipelined - 1))
        try self.channel.writeInbound(ByteBuffer(string: one))
        let last = try self.receive()
        #expect(last == nil)
    }

    @Test("a target in absolute form finds its endpoint, any other path is not found")
    func targets() throws {
        for (target, status) in [
            ("http://example.com/webhook", HTTPResponseStatus.ok), ("http://example.com:80/webhook?a=b#c", .ok),
            ("/webhook#c", .ok), ("/", .notFound), ("http://example.com", .notFound), ("/webhook/", .notFound),
            ("*", .notFound),
        ] {
            try self.send(.GET, target)
            let response = try #require(try self.receive())
            #expect(response.head.status == status, "\(target)")
        }
    }

    @Test("HEAD gets the head of what GET gets, also where there is nothing", arguments: ["/webhook", "/other"])
    func head(path: String) throws {
        try self.send(.GET, path)
        let full = try #require(try self.receive())
        #expect(!full.body.isEmpty)
        try self.send(.HEAD, path)
        let bare = try #require(try self.receive())
        #expect(bare.body.isEmpty)
        #expect(bare.head.status == full.head.status)
        #expect(bare.head.headers["content-length"] == full.head.headers["content-length"])
        try self.send(.GET, path)
        let next = try #require(try self.receive())
        #expect(next.body == full.body)
    }

    @Test(
        "a caller that waits for our word before it sends a body nobody wants is told that its connection ends",
        arguments: [(HTTPMethod.POST, "/other"), (.PUT, "/webhook"), (.GET, "/webhook")]
    )
    func unwantedBody(method: HTTPMethod, path: String) throws {
        try self.send(method, path, ["expect": "100-continue", "content-length": "5"])
        let response = try #require(try self.receive())
        #expect(response.head.headers["connection"] == ["close"])
    }

    @Test("a body that is waited for with a word of ours leaves its connection open")
    func wantedBody() throws {
        let fields: HTTPHeaders = [
            "content-type": "application/json", "expect": "100-continue",
            "content-length": "\(Self.body.utf8.count)",
        ]
        try self.send(.POST, "/webhook", fields)
        let word = try self.channel.readOutbound(as: HTTPServerResponsePart.self)
        #expect(word == .head(HTTPResponseHead(version: .http1_1, status: .continue)))
        try self.channel.writeInbound(ByteBuffer(string: Self.body))
        self.answer(0, .expired)
        let response = try #require(try self.receive())
        #expect(response.head.status == .gatewayTimeout)
        #expect(response.head.headers["connection"].isEmpty)
    }

    @Test("a server that leaves gives a call a second to come, and a head that has begun the time of a head")
    func leaving() throws {
        let other = EmbeddedChannel(handler: nil, loop: self.channel.embeddedEventLoop)
        try self.connect(other)
        let length = Self.body.utf8.count
        let fields = "host: a\r\ncontent-type: application/json\r\ncontent-length: \(length)\r\n"
        try self.channel.writeInbound(ByteBuffer(string: "POST /webhook HTTP/1.1\r\n" + fields))
        for channel in [self.channel, other] {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        self.channel.embeddedEventLoop.advanceTime(by: .milliseconds(999))
        #expect(other.isActive)
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(4))
        #expect(!other.isActive)
        #expect(self.channel.isActive)
        try self.channel.writeInbound(ByteBuffer(string: "\r\n" + Self.body))
        self.answer(0, .expired)
        let response = try #require(try self.receive())
        #expect(response.head.status == .gatewayTimeout)
        #expect(response.head.headers["connection"] == ["close"])
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!self.channel.isActive)
    }

    @Test("a head that never comes whole holds up a server that leaves for no longer than a head may take")
    func leavingMidHead() throws {
        try self.channel.writeInbound(ByteBuffer(string: "GET /webhook HTTP/1.1\r\n"))
        self.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(11))
        let response = try #require(try self.receive())
        #expect(response.head.status == .requestTimeout)
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!self.channel.isActive)
    }

    @Test("the last request of a connection gets its response, then the connection ends", arguments: [true, false])
    func lastRequest(isOld: Bool) throws {
        if isOld {
            try self.send(.GET, "/webhook", version: .http1_0)
        } else {
            try self.send(.GET, "/webhook", ["connection": "close"])
        }
        let response = try #require(try self.receive())
        #expect(response.head.status == .ok)
        #expect(response.head.headers["connection"] == ["close"])
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!self.channel.isActive)
    }

    @Test("a caller that hangs up while it waits is abandoned, once")
    func hangUp() throws {
        try self.send(.POST, "/webhook", body: Self.body)
        self.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        let event = try #require(self.queue.state.withLock { $0.entered.first?.event })
        #expect(self.queue.state.withLock { $0.abandoned } == [event.id])
        self.answer(0, .abandoned)
        _ = try self.receive()
        #expect(!self.channel.isActive)
        #expect(self.queue.state.withLock { $0.abandoned.count } == 1)
    }

    @Test("an idle connection is closed when its time has come, one with a call under way is not")
    func idleness() throws {
        try self.send(.POST, "/webhook", body: Self.body)
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(200))
        #expect(self.channel.isActive)
        self.answer(0, .expired)
        _ = try self.receive()
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(200))
        #expect(!self.channel.isActive)
    }

    /// Counts what is asked of the socket.
    final class ReadCounter: ChannelOutboundHandler {
        typealias OutboundIn = NIOAny

        var reads = 0

        func read(context: ChannelHandlerContext) {
            self.reads += 1
            context.read()
        }
    }

    @Test("a caller that reads no replies is not read from, until it does")
    func deafCaller() throws {
        let counter = ReadCounter()
        try self.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        self.channel.isWritable = false
        self.channel.read()
        #expect(counter.reads == 0)
        self.channel.isWritable = true
        self.channel.pipeline.fireChannelWritabilityChanged()
        #expect(counter.reads == 1)
        self.channel.pipeline.fireChannelWritabilityChanged()
        #expect(counter.reads == 1)
    }

    @Test("while a call waits, one read stays asked for, until something comes")
    func readAhead() throws {
        let counter = ReadCounter()
        try self.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        try self.send(.POST, "/webhook", body: Self.body)
        #expect(counter.reads == 1)
        try self.channel.writeInbound(ByteBuffer(string: "GET /webhook"))
        #expect(counter.reads == 1)
        self.answer(0, .expired)
        let first = try #require(try self.receive())
        #expect(first.head.status == .gatewayTimeout)
        try self.channel.writeInbound(ByteBuffer(string: " HTTP/1.1\r\nhost: a\r\n\r\n"))
        let second = try #require(try self.receive())
        #expect(second.head.status == .ok)
    }

    @Test("a body that fails after its reply gets no second one")
    func brokenBodyAfterReply() throws {
        let text = "POST /other HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        try self.channel.writeInbound(ByteBuffer(string: text))
        let reply = try #require(try self.receive())
        #expect(reply.head.status == .notFound)
        try self.channel.writeInbound(ByteBuffer(string: "zz\r\n"))
        let second = try self.receive()
        #expect(second == nil)
        self.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!self.channel.isActive)
    }

    @Test("bodies that are not complete take room, and give it back")
    func room() throws {
        let room = Room(of: 10)
        #expect(room.take(6))
        #expect(!room.take(5))
        #expect(room.take(4))
        room.giveBack(10)
        #expect(room.take(10))
    }

    @Test("a date is written as RFC 9110 has it")
    func date() {
        #expect(HTTPDate.text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(951_827_696) == "Tue, 29 Feb 2000 12:34:56 GMT")
    }
}
