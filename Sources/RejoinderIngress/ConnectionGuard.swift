import NIOCore
import NIOHTTP1
import NIOTLS

/// Watches over one connection: heads and bodies that don't come in time, what is not HTTP, callers that hang up, and
/// closing in such a way that the last reply arrives.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    struct Limits: Sendable {
        let headTimeout: TimeAmount
        let bodyTimeout: TimeAmount
        let idleTimeout: TimeAmount
        let headBytes: Int
        let bodyBytes: Int

        init(_ options: IngressOptions) {
            self.headTimeout = TimeAmount(options.headTimeout)
            self.bodyTimeout = TimeAmount(options.bodyTimeout)
            self.idleTimeout = TimeAmount(options.idleTimeout)
            self.headBytes = options.headBytes
            self.bodyBytes = options.bodyBytes
        }
    }

    /// How long a connection without a call is kept open once the server leaves: a call that is on its way already is
    /// answered, and told that the connection closes.
    private static let farewell = TimeAmount.seconds(1)
    /// How long a caller that has its last reply may send nothing before its connection is closed.
    private static let lingering = TimeAmount.seconds(1)

    private let limits: Limits
    private let onHangUp: () -> Void
    private let onRefusal: (Problem, Duration) -> Void
    private var machine = ConnectionMachine()
    private var timer: Scheduled<Void>?
    private var idleCheck: Scheduled<Void>?
    private var idleSince = NIODeadline.uptimeNanoseconds(0)
    /// When the first byte came since the connection was idle.
    private var requestBegan = NIODeadline.uptimeNanoseconds(0)
    private var date = HTTPDate()
    private var isReadHeld = false
    /// The server leaves, and the handlers behind don't know it yet.
    private var leave: Scheduled<Void>?
    /// Our side is closed; the caller's is by then.
    private var lingersUntil: NIODeadline?

    /// `onHangUp` is called when the caller has closed its side, also while a call waits; `onRefusal` when a request goes no
    /// further than this, with the time since the first
    /// byte after the connection was idle.
    init(limits: Limits, onHangUp: @escaping () -> Void, onRefusal: @escaping (Problem, Duration) -> Void = { _, _ in })
    {
        self.limits = limits
        self.onHangUp = onHangUp
        self.onRefusal = onRefusal
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.idleSince = context.eventLoop.now
        self.checkIdleness(context, in: self.limits.idleTimeout)
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let probe = ByteProbe { count in
            let (connectionGuard, context) = loopBound.value
            if connectionGuard.machine.isIdle { connectionGuard.requestBegan = .now() }
            connectionGuard.machine.bytesArrived(count)
            connectionGuard.linger(context)
        } onReadComplete: {
            let (connectionGuard, context) = loopBound.value
            connectionGuard.bytesWereRead(context)
            connectionGuard.readAhead(context)
        }
        // Fails only on a channel that is closing already.
        try? context.pipeline.syncOperations.addHandler(probe, position: .first)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.stopTimer()
        self.idleCheck?.cancel()
        self.leave?.cancel()
    }

    // MARK: Inbound

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.machine.isTaking else { return }
        switch Self.unwrapInboundIn(data) {
        case .head:
            self.stopTimer()
            guard self.machine.headArrived() else { return }
        case .body: break
        case .end:
            self.stopTimer()
            self.machine.endArrived()
        }
        context.fireChannelRead(data)
        if self.leave != nil { self.leaveNow(context) }
    }

    /// All that had arrived has been read.
    ///
    /// Most requests come whole, and need no timer.
    private func bytesWereRead(_ context: ChannelHandlerContext) {
        guard self.machine.isTaking else { return }
        if let problem = self.machine.padding(over: self.limits) { return self.refuse(context, problem) }
        guard self.timer == nil, self.machine.awaitsCaller else { return }
        self.startTimer(context, self.machine.reading == .head ? self.limits.headTimeout : self.limits.bodyTimeout)
    }

    /// Keeps one read asked for while a call waits, when most callers send nothing.
    ///
    /// Those behind ask for none: the socket would be taken off the event loop's list and put back for each call, which are two
    /// system calls of the five that it takes.
    private func readAhead(_ context: ChannelHandlerContext) {
        if self.machine.readsAhead { self.read(context: context) }
    }

    /// A caller that does not read its replies is not read from either: nothing piles up here on its behalf.
    func read(context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            self.isReadHeld = true
            return
        }
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if self.isReadHeld, context.channel.isWritable {
            self.isReadHeld = false
            context.read()
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(TLSUserEvent.handshakeCompleted) = event as? TLSUserEvent { self.handshakeEnded(context) }
        if event is ChannelShouldQuiesceEvent, self.machine.awaitsRequest { return self.leaveSoon(context) }
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            self.onHangUp()
            if self.machine.isClosing { return context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Up to here it was no request, though it had no more time than the head of one.
    private func handshakeEnded(_ context: ChannelHandlerContext) {
        self.stopTimer()
        self.machine.handshakeEnded()
        self.idleSince = context.eventLoop.now
        if self.leave != nil { self.leaveSoon(context) }
    }

    /// Not in the middle of a head or a handshake, which has a timer of its own.
    private func leaveSoon(_ context: ChannelHandlerContext) {
        self.leave?.cancel()
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.leave = context.eventLoop.scheduleTask(in: Self.farewell) {
            let (connectionGuard, context) = loopBound.value
            if connectionGuard.machine.isIdle {
                connectionGuard.leaveNow(context)
            } else {
                connectionGuard.leaveSoon(context)
            }
        }
    }

    /// Those behind close the connection, after the reply that is due.
    private func leaveNow(_ context: ChannelHandlerContext) {
        self.leave?.cancel()
        self.leave = nil
        context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.stopTimer()
        self.idleCheck?.cancel()
        self.leave?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        self.refuse(context, error == .headerOverflow ? .headTooLarge : .malformedHTTP)
    }

    // MARK: Outbound

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = Self.unwrapOutboundIn(data)
        guard !self.machine.isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch part {
        case .head(let head) where head.status == .continue: context.write(data, promise: promise)
        case .head(let head):
            self.machine.responseStarted(closing: head.headers.first(name: "connection") == "close")
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            self.idleSince = context.eventLoop.now
            let next = self.machine.responseEnded()
            context.writeAndFlush(data, promise: promise)
            switch next {
            case .goOn: self.bytesWereRead(context)  // Of the request behind it, part may have come.
            case .close: self.closeGently(context)
            case .refuse(let problem): self.send(context, problem)
            }
        }
    }

    // MARK: Refusing and closing

    private func refuse(_ context: ChannelHandlerContext, _ problem: Problem) {
        guard self.machine.isTaking else { return }
        self.stopTimer()
        switch self.machine.failed(with: problem) {
        case .sendNow: self.send(context, problem)
        case .closeNow: self.closeGently(context)
        case .sendLater, .ignore: break
        }
    }

    /// The last reply on this connection.
    private func send(_ context: ChannelHandlerContext, _ problem: Problem) {
        self.onRefusal(problem, .nanoseconds((.now() - self.requestBegan).nanoseconds))
        let response = CallResponse.problem(problem, closing: true)
        context.write(Self.wrapOutboundOut(.head(response.head(date: self.date.now()))), promise: nil)
        context.write(Self.wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        self.machine.isClosing = true
        self.closeGently(context)
    }

    /// Closes our side once the kernel has the reply, and the whole when the caller has sent nothing for a second: closed at once
    /// with unread bytes in it, the connection would be reset, and the reply lost on its way.
    ///
    /// All of it within the time that a body may take.
    private func closeGently(_ context: ChannelHandlerContext) {
        self.machine.isClosing = true
        let end = context.eventLoop.now + self.limits.bodyTimeout
        self.close(context, at: end)
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let closed = context.eventLoop.makePromise(of: Void.self)
        closed.futureResult.whenComplete { _ in
            let (connectionGuard, context) = loopBound.value
            guard context.channel.isActive else { return }
            connectionGuard.lingersUntil = end
            connectionGuard.linger(context)
        }
        context.close(mode: .output, promise: closed)
        self.stopParsing(context)
    }

    private func linger(_ context: ChannelHandlerContext) {
        guard let end = self.lingersUntil else { return }
        self.close(context, at: min(end, context.eventLoop.now + Self.lingering))
    }

    private func close(_ context: ChannelHandlerContext, at time: NIODeadline) {
        self.stopTimer()
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: time) { loopBound.value.close(promise: nil) }
    }

    /// What still comes is dropped as it comes: the decoder would keep what follows a request to leave HTTP.
    private func stopParsing(_ context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        guard let decoder = try? pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self) else {
            return
        }
        pipeline.removeHandler(context: decoder, promise: nil)
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

    /// Closes a connection on which nothing happens.
    private func checkIdleness(_ context: ChannelHandlerContext, in time: TimeAmount) {
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.idleCheck = context.eventLoop.scheduleTask(in: time) {
            let (connectionGuard, context) = loopBound.value
            let limit = connectionGuard.limits.idleTimeout
            let idle = connectionGuard.machine.isIdle ? context.eventLoop.now - connectionGuard.idleSince : .zero
            if idle >= limit { return context.close(promise: nil) }
            connectionGuard.checkIdleness(context, in: limit - idle)
        }
    }

    private func stopTimer() {
        self.timer?.cancel()
        self.timer = nil
    }
}
