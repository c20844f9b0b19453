import CoreMetrics
import NIOCore

/// Accepts no more connections than may be open: what comes beyond them waits in the kernel until one closes.
final class ConnectionLimit: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never
    typealias OutboundOut = Never

    /// In one turn of the loop.
    ///
    /// With NIO's four a caller would be unaccepted for as many turns as there are fours before it, each as long as its calls take.
    private static let mostAtOnce = 256

    private let most: Int
    private var open = 0
    private var atOnce = 0
    private var isReadHeld = false

    init(_ most: Int) {
        self.most = most
    }

    func handlerAdded(context: ChannelHandlerContext) { self.allow(min(self.most, Self.mostAtOnce), context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.open += 1
        IngressMetrics.connections.increment()
        Self.unwrapInboundIn(data).closeFuture.hop(to: context.eventLoop).whenComplete { _ in
            let (limit, context) = loopBound.value
            limit.closed(context)
        }
        context.fireChannelRead(data)
    }

    private func closed(_ context: ChannelHandlerContext) {
        self.open -= 1
        IngressMetrics.connections.decrement()
        if self.isReadHeld { self.read(context: context) }
    }

    func read(context: ChannelHandlerContext) {
        let room = min(self.most - self.open, Self.mostAtOnce)
        self.isReadHeld = room <= 0
        guard !self.isReadHeld else { return }
        self.allow(room, context)
        context.read()
    }

    private func allow(_ count: Int, _ context: ChannelHandlerContext) {
        guard count != self.atOnce else { return }
        self.atOnce = count
        // Fails only on a channel that is closed.
        try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: UInt(count))
    }
}
