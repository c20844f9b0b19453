import NIOCore
import NIOTLS

/// A connection that asks once whether its endpoint is there, and then only keeps open.
final class IdleConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let target: LoadTarget
    private let timeout: TimeAmount
    private let onReply: () -> Void
    private let onClose: (any Error) -> Void
    private var error: any Error = ChannelError.eof
    private var hasReply = false
    private var context: ChannelHandlerContext?

    /// `timeout` is that of its reply.
    init(
        _ target: LoadTarget,
        timeout: TimeAmount,
        onReply: @escaping () -> Void,
        onClose: @escaping (any Error) -> Void
    ) {
        self.target = target
        self.timeout = timeout
        self.onReply = onReply
        self.onClose = onClose
    }

    func close() { self.context?.close(promise: nil) }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        if !self.target.isSecure { self.ask(context) }
        Timer { [weak self] in self?.giveUpWaiting() }.start(at: .now() + self.timeout, on: context.eventLoop)
    }

    private func giveUpWaiting() {
        guard !self.hasReply, let context else { return }
        self.errorCaught(context: context, error: SilenceError())
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { self.ask(context) }
    }

    private func ask(_ context: ChannelHandlerContext) {
        let request = "GET \(self.target.path) HTTP/1.1\r\nHost: \(self.target.authority)\r\n\r\n"
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.hasReply else { return }
        self.hasReply = true
        self.onReply()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.error = error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.onClose(self.error)
    }
}
