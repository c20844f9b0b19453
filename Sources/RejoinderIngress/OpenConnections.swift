import CoreMetrics
import Logging
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The port's connections: accepts no more than may be open, and sees them off when the port is left.
///
/// What comes beyond the limit waits in the kernel until one closes. Used on the port's event loop alone.
final class OpenConnections: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never
    typealias OutboundOut = Never

    /// In one turn of the loop.
    ///
    /// With NIO's four a caller would be unaccepted for as many turns as there are fours before it, each as long as its calls take.
    private static let mostAtOnce = 256
    /// Of `accept`, where the machine or the process has no more of something: connections that wait stay where they are.
    private static let shortages = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

    private let most: Int
    private let logger: Logger
    /// Called when the port is closed and all connections are; with an error where it has closed by itself.
    private let onEnd: ((any Error)?) -> Void
    private var context: ChannelHandlerContext?
    private var channels: [ObjectIdentifier: any Channel] = [:]
    private var atOnce = 0
    /// As many are open as may be.
    private var isReadHeld = false
    /// Nothing is accepted for a second.
    private var isPaused = false
    /// The shortage has been said, and nothing accepted since.
    private var isShort = false
    private var isLeaving = false
    private var lastError: (any Error)?
    private var closingError: (any Error)?

    init(most: Int, logger: Logger, onEnd: @escaping ((any Error)?) -> Void) {
        self.most = most
        self.logger = logger
        self.onEnd = onEnd
    }

    private var room: Int { min(self.most - self.channels.count, Self.mostAtOnce) }

    // MARK: Leaving

    /// Closes the port; each connection closes when its caller has the reply that is due.
    func leave() {
        guard !self.isLeaving else { return }
        self.isLeaving = true
        self.context?.close(promise: nil)
        for channel in self.channels.values {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        self.endWhenAllAreClosed()
    }

    /// Closes the port and all connections, whoever waits.
    func close() {
        self.leave()
        for channel in self.channels.values { channel.close(promise: nil) }
    }

    private func endWhenAllAreClosed() {
        if self.isLeaving, self.channels.isEmpty { self.onEnd(self.closingError) }
    }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.allow(self.room, context)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) {
        if !self.isLeaving {
            self.closingError = self.lastError ?? ChannelError.eof
            self.leave()
        }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = Self.unwrapInboundIn(data)
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.channels[ObjectIdentifier(channel)] = channel
        IngressMetrics.connections.increment()
        channel.closeFuture.hop(to: context.eventLoop).whenComplete { _ in
            loopBound.value.closed(ObjectIdentifier(channel))
        }
        if self.isShort {
            self.isShort = false
            self.logger.notice("connections are accepted again")
        }
        context.fireChannelRead(data)
    }

    private func closed(_ channel: ObjectIdentifier) {
        self.channels[channel] = nil
        IngressMetrics.connections.decrement()
        if self.isReadHeld, let context { self.read(context: context) }
        self.endWhenAllAreClosed()
    }

    func read(context: ChannelHandlerContext) {
        self.isReadHeld = self.room <= 0
        guard !self.isReadHeld, !self.isPaused else { return }
        self.allow(self.room, context)
        context.read()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.lastError = error
        guard let error = error as? IOError, Self.shortages.contains(error.errnoCode), !self.isPaused else { return }
        if !self.isShort {
            self.isShort = true
            self.logger.error(
                "connections can't be accepted, trying again each second",
                metadata: ["error": "\(error)"]
            )
        }
        self.isPaused = true
        // The one way to take the port off the event loop's list, on which it would be ready again at once.
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        self.goOnSoon(context)
    }

    private func goOnSoon(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) {
            guard !self.isLeaving else { return }
            guard self.room > 0 else { return self.goOnSoon(context) }
            self.isPaused = false
            // Asked for again by this, which passes `read` by.
            self.allow(self.room, context)
            try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    /// Fails only on a port that is closed, which accepts nobody anyway.
    private func allow(_ count: Int, _ context: ChannelHandlerContext) {
        guard count != self.atOnce else { return }
        self.atOnce = count
        try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: UInt(count))
    }
}
