import CoreMetrics
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// One connection of the public port: from bytes to calls and back, by channel handlers alone.
///
/// The server around it (accepting, TLS, draining) is Hummingbird's. Its own HTTP/1 channel hands each request to a task
/// through asynchronous sequences, which took half of all that the ingress did for a call (measured: 136 µs of 170).
struct CallChannel: ServerChildChannel {
    let options: IngressOptions
    let calls: Calls

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<OpenChannel> {
        channel.eventLoop.makeCompletedFuture {
            // Others have their turn between two reads of a connection that sends as fast as it can.
            try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
            let operations = channel.pipeline.syncOperations
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = self.options.headBytes
            limits.maxHeaderListSize = self.options.headBytes
            limits.maxHeaderFieldCount = self.options.headFields
            try operations.configureHTTPServerPipeline(
                withPipeliningAssistance: false,  // After the guard, which sees what comes in while a call waits.
                withErrorHandling: false,
                withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: limits
            )
            let handler = CallHandler(self.calls)
            try operations.addHandler(
                ConnectionGuard(limits: ConnectionGuard.Limits(self.options)) {
                    handler.hungUp()
                } onRefusal: { [log = self.calls.log] problem, time in
                    log.refused(problem, at: nil, after: time)
                }
            )
            try operations.addHandler(HTTPServerPipelineHandler())
            try operations.addHandler(handler)
            IngressMetrics.connections.increment()
            channel.closeFuture.whenComplete { _ in IngressMetrics.connections.decrement() }
            return OpenChannel(channel: channel)
        }
    }

    /// Returns when the connection is closed.
    func handle(value: OpenChannel, logger: Logger) async {
        await withTaskCancellationHandler {
            // How it was closed is nobody's concern here.
            try? await value.channel.closeFuture.get()
        } onCancel: {
            value.channel.close(promise: nil)
        }
    }
}

/// A connection that has been set up.
struct OpenChannel: ServerChildChannelValue {
    let channel: any Channel
}
