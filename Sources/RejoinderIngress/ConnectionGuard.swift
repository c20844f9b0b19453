import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Watches over one connection: heads and bodies that don't come in time, what is not HTTP, callers that hang up, and
/// closing in such a way that the last reply arrives.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    struct Limits: Sendable {
        let headTimeout: TimeAmount
        let bodyTimeout: TimeAmount
        let bodyBytes: Int
    }

    private let limits: Limits
    private let hangUps: HangUps
    private var machine = ConnectionMachine()
    private var timer: Scheduled<Void>?

    init(limits: Limits, hangUps: HangUps) {
        self.limits = limits
        self.hangUps = hangUps
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.hangUps.opened(context.channel)
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let probe = ByteProbe {
            let (connectionGuard, context) = loopBound.value
            connectionGuard.bytesArrived(context)
        }
        // Fails only on a channel that is closing already.
        try? context.pipeline.syncOperations.addHandler(probe, position: .first)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.stopTimer()
        self.hangUps.removed(context.channel)
    }

    // MARK: Inbound

    private func bytesArrived(_ context: ChannelHandlerContext) {
        if self.machine.bytesArrived() { self.startTimer(context, self.limits.headTimeout) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.machine.isClosing else { return }
        switch Self.unwrapInboundIn(data) {
        case .head(let head):
            self.stopTimer()
            self.machine.headArrived()
            self.continueIfExpected(context, head)
        case .body: break
        case .end:
            self.stopTimer()
            self.machine.endArrived()
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.machine.isReadingBody, self.timer == nil { self.startTimer(context, self.limits.bodyTimeout) }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            self.hangUps.hungUp(context.channel)
            if self.machine.isClosing { return context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.stopTimer()
        self.hangUps.removed(context.channel)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        self.refuse(context, error == .headerOverflow ? .headTooLarge : .malformedHTTP)
    }

    /// RFC 9110, 10.1.1: a client that asked waits for this before it sends its body.
    private func continueIfExpected(_ context: ChannelHandlerContext, _ head: HTTPRequest) {
        guard head.headerFields[.expect]?.lowercased() == "100-continue", self.machine.isAlone else { return }
        guard head.headerFields[.contentLength].flatMap({ Int($0) }) ?? 0 <= self.limits.bodyBytes else { return }
        context.writeAndFlush(Self.wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }

    // MARK: Outbound

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = Self.unwrapOutboundIn(data)
        guard !self.machine.isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch part {
        case .head(let head):
            self.machine.responseStarted(closing: head.headerFields[.connection] == "close")
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let next = self.machine.responseEnded()
            context.writeAndFlush(data, promise: promise)
            switch next {
            case .goOn: break
            case .close: self.closeGently(context)
            case .refuse(let problem): self.send(context, problem)
            }
        }
    }

    // MARK: Refusing and closing

    private func refuse(_ context: ChannelHandlerContext, _ problem: Problem) {
        self.stopTimer()
        switch self.machine.failed(with: problem) {
        case .sendNow: self.send(context, problem)
        case .closeNow: context.close(promise: nil)
        case .sendLater, .ignore: break
        }
    }

    /// The last reply on this connection.
    private func send(_ context: ChannelHandlerContext, _ problem: Problem) {
        let body = ByteBuffer(string: problem.body())
        var head = HTTPResponse(status: problem.status, headerFields: problem.fields(closing: true))
        head.headerFields[.contentLength] = "\(body.readableBytes)"
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(Self.wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        self.machine.isClosing = true
        self.closeGently(context)
    }

    /// Closes our side, and the whole a second later: closed at once with unread bytes in it, the connection would be
    /// reset, and the reply lost on its way.
    private func closeGently(_ context: ChannelHandlerContext) {
        self.machine.isClosing = true
        context.close(mode: .output, promise: nil)
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(in: .seconds(1)) { loopBound.value.close(promise: nil) }
    }

    // MARK: Timing

    private func startTimer(_ context: ChannelHandlerContext, _ timeout: TimeAmount) {
        self.stopTimer()
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(in: timeout) {
            let (connectionGuard, context) = loopBound.value
            connectionGuard.timer = nil
            connectionGuard.refuse(context, .timeout)
        }
    }

    private func stopTimer() {
        self.timer?.cancel()
        self.timer = nil
    }
}

/// Says when bytes come in, before anybody has made sense of them.
private final class ByteProbe: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    private let onBytes: () -> Void

    init(_ onBytes: @escaping () -> Void) {
        self.onBytes = onBytes
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.onBytes()
        context.fireChannelRead(data)
    }
}
