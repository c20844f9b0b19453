import EventQueue
import NIOCore
import NIOHTTP1

/// Takes the calls of one connection, one at a time, and writes their responses.
final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// In bytes: what the sender says of its body's length is not to be trusted with more.
    private static let mostReserved = 64 << 10
    /// So many bytes of each body that is not complete have room by the limit of connections: else few that send large ones, and
    /// never end, would keep out all others.
    private static let uncounted = 4 << 10

    private struct Call {
        let head: HTTPRequestHead
        let endpoint: Endpoint
        var body: [UInt8] = []
    }

    private enum State {
        case idle
        case reading(Call)
        /// The response is out already; the rest of the request is of no interest.
        case skipping
        case waiting(EventID)
    }

    private let calls: Calls
    private var state = State.idle
    /// Of the request that came last.
    private var endpoint: Endpoint?
    private var arrived = ContinuousClock.now
    private var date = HTTPDate()
    /// The request's connection ends with its response.
    private var isLast = false
    /// To a `HEAD` request goes the head of its response alone.
    private var wantsHeadOnly = false
    /// An HTTP/1.0 client asked for another request on its connection, and is told that it may.
    private var tellsKeepAlive = false
    /// The connection's last response is out: what the caller had pipelined behind its request is not taken.
    private var isDone = false
    /// Bytes of a body that is not complete, counted among all such bytes.
    private var bytesTaken = 0

    init(_ calls: Calls) {
        self.calls = calls
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isDone else { return }
        switch Self.unwrapInboundIn(data) {
        case .head(let head): self.begin(head, context)
        case .body(let buffer): self.append(buffer, context)
        case .end: self.end(context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // In its turn: whatever was under way has its response.
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.hungUp()
        self.giveBack()
        context.fireChannelInactive()
    }

    /// The caller has closed its side: it waits for nothing any more.
    func hungUp() {
        guard case .waiting(let id) = self.state else { return }
        self.state = .skipping
        self.calls.queue.abandon(id)
    }

    // MARK: Request

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let fields = RequestFields(head)
        let isLast = !head.isKeepAlive || fields.leavesHTTP
        // A caller that is refused before it sends its body may send it or not: the next request could not be told from it.
        self.isLast = isLast || fields.awaitsContinue
        self.tellsKeepAlive = head.version == .http1_0 && !isLast
        self.wantsHeadOnly = head.method == .HEAD
        self.state = .skipping
        self.endpoint = nil
        self.arrived = .now
        guard !fields.isFaulty else { return self.respond(context, .problem(.malformedHTTP, closing: true)) }
        guard let endpoint = self.calls.endpoint(of: head.uri) else {
            return self.respond(context, .problem(.notFound))
        }
        self.endpoint = endpoint
        switch head.method {
        case .POST: break
        case .GET, .HEAD: return self.respond(context, .greeting)
        default: return self.respond(context, .problem(.method))
        }
        guard !fields.isContentEncoded else {
            return self.respond(context, .problem(.contentEncoding, closing: true))
        }
        var call = Call(head: head, endpoint: endpoint)
        if let length = fields.contentLength {
            guard length <= self.calls.bodyBytes else {
                return self.respond(context, .problem(.bodyTooLarge, closing: true))
            }
            call.body.reserveCapacity(min(length, Self.mostReserved))
        }
        self.state = .reading(call)
        self.isLast = isLast
        if fields.awaitsContinue {
            let head = HTTPResponseHead(version: .http1_1, status: .continue)
            context.writeAndFlush(Self.wrapOutboundOut(.head(head)), promise: nil)
        }
    }

    private func append(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        guard case .reading(var call) = self.state else { return }
        self.state = .skipping  // Leaves the call's body to one owner.
        guard call.body.count + buffer.readableBytes <= self.calls.bodyBytes else {
            return self.respond(context, .problem(.bodyTooLarge, closing: true))
        }
        let counted = max(0, call.body.count + buffer.readableBytes - Self.uncounted) - self.bytesTaken
        guard self.calls.incomplete.take(counted) else {
            return self.respond(context, .problem(.outOfRoom, closing: true))
        }
        self.bytesTaken += counted
        buffer.withUnsafeReadableBytes { call.body.append(contentsOf: $0) }
        self.state = .reading(call)
    }

    private func giveBack() {
        self.calls.incomplete.giveBack(self.bytesTaken)
        self.bytesTaken = 0
    }

    private func end(_ context: ChannelHandlerContext) {
        guard case .reading(let call) = self.state else {
            self.state = .idle
            return
        }
        self.giveBack()
        var event: NewEvent
        do throws(Calls.Refusal) {
            event = try Calls.event(call.head, call.body, call.endpoint, arrived: self.arrived)
        } catch {
            self.state = .idle
            return self.respond(context, .problem(error.problem, detail: error.detail))
        }
        let trace = CallTrace(event, call.head, self.calls.tracer)
        event.trace = trace.traceparent
        self.state = .waiting(event.id)
        self.enter(event, call.endpoint, trace, context)
    }

    private func enter(_ event: NewEvent, _ endpoint: Endpoint, _ trace: CallTrace, _ context: ChannelHandlerContext) {
        let loopBound = NIOLoopBound((self, context, trace), eventLoop: context.eventLoop)
        self.calls.queue.enter(event) { ending in
            let (handler, context, trace) = loopBound.value
            handler.state = .idle
            let response = handler.calls.reply(to: event, endpoint, ending)
            handler.respond(context, response)
            handler.calls.queue.replied(to: event.id, status: Int(response.status.code))
            trace.end(status: Int(response.status.code), since: ending.at)
        }
        self.calls.handover.end(turnOf: context.eventLoop)
    }

    // MARK: Response

    private func respond(_ context: ChannelHandlerContext, _ response: CallResponse) {
        if let problem = response.refusal {
            self.calls.log.refused(problem, at: self.endpoint, after: .now - self.arrived)
        }
        var response = response
        response.closes = response.closes || self.isLast
        self.isDone = response.closes
        var head = response.head(date: self.date.now())
        if self.tellsKeepAlive, !response.closes { head.headers.add(name: "connection", value: "keep-alive") }
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        if !self.wantsHeadOnly {
            context.write(Self.wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
        }
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
    }
}
