import NIOCore

/// Says when bytes come in, before anybody has made sense of them, and when everybody has.
final class ByteProbe: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let onBytes: (_ count: Int) -> Void
    private let onReadComplete: () -> Void

    init(onBytes: @escaping (_ count: Int) -> Void, onReadComplete: @escaping () -> Void) {
        self.onBytes = onBytes
        self.onReadComplete = onReadComplete
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.onBytes(Self.unwrapInboundIn(data).readableBytes)
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        self.onReadComplete()
    }
}
