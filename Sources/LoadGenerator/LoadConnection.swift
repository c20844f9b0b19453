import NIOCore
import NIOTLS

/// A call that is due, or under way.
struct Call {
    /// In digits.
    let number: String
    /// From when its time counts, in nanoseconds.
    let start: UInt64
    /// When it was handed to a connection.
    var sent: UInt64?
}

/// One connection of a load: at most one call at a time, or one alone.
final class LoadConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case opening
        case free
        case busy(Call)
        case closed
    }

    /// The target that it goes to, by its place among them.
    let target: Int
    private let isSecure: Bool
    private let isForOneCall: Bool
    private let timeout: TimeAmount
    private let run: LoadRun
    private var state = State.opening
    private var reader = ResponseReader()
    private var context: ChannelHandlerContext?
    private var error: (any Error)?

    /// `timeout` is that of its TLS handshake.
    init(_ run: LoadRun, target: Int, isSecure: Bool, isForOneCall: Bool, timeout: TimeAmount) {
        self.run = run
        self.target = target
        self.isSecure = isSecure
        self.isForOneCall = isForOneCall
        self.timeout = timeout
    }

    var isFree: Bool {
        if case .free = self.state { true } else { false }
    }

    /// The call that is under way.
    var call: Call? {
        if case .busy(let call) = self.state { call } else { nil }
    }

    /// Sends a call; only while it is free.
    func send(_ call: Call, _ request: ByteBuffer) {
        guard case .free = self.state, let context else {
            preconditionFailure("a connection takes a call when it is free")
        }
        var call = call
        call.sent = NIODeadline.now().uptimeNanoseconds
        self.state = .busy(call)
        context.writeAndFlush(Self.wrapOutboundOut(request), promise: nil)
    }

    func close() { self.context?.close(promise: nil) }

    // MARK: Events

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard self.isSecure else { return self.opened() }
        Timer { [weak self] in self?.giveUpOpening() }.start(at: .now() + self.timeout, on: context.eventLoop)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { self.opened() }
    }

    private func giveUpOpening() {
        guard case .opening = self.state, let context else { return }
        self.errorCaught(context: context, error: SilenceError())
    }

    private func opened() {
        self.state = .free
        self.run.opened(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            guard let response = try self.reader.read(Self.unwrapInboundIn(data)) else { return }
            self.replied(response)
        } catch {
            context.close(promise: nil)
        }
    }

    private func replied(_ response: Response) {
        guard case .busy(let call) = self.state else { return self.close() }
        self.state = .free
        if response.closes || self.isForOneCall {
            self.state = .closed
            // The port that one has closed oneself can't be used again for a minute: of one call each there are only so many.
            if !(response.closes && self.isForOneCall) { self.context?.close(promise: nil) }
        }
        self.run.replied(self, call, response)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.error = error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        if case .busy = self.state, let response = self.reader.finish() { self.replied(response) }
        let state = self.state
        self.state = .closed
        switch state {
        case .opening: self.run.failedToOpen(self, self.error ?? ChannelError.eof)
        case .free, .closed: self.run.closed(self, breaking: nil)
        case .busy(let call): self.run.closed(self, breaking: call)
        }
    }
}
