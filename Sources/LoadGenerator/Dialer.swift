import DequeModule
import NIOCore
import NIOPosix
import NIOSSL

/// Opens connections, not too many at once: a server's backlog has an end.
final class Dialer {
    static let mostAtOnce = 128

    /// A target with its address, found once.
    struct Line: Sendable {
        let target: LoadTarget
        let address: SocketAddress
        let tls: NIOSSLContext?

        init(_ target: LoadTarget, on eventLoop: any EventLoop) async throws(LoadError) {
            self.target = target
            do {
                self.address = try await Self.address(of: target, on: eventLoop)
                self.tls = try target.isSecure ? NIOSSLContext(configuration: .makeClientConfiguration()) : nil
            } catch {
                throw .unreachable(url: target.url, reason: LoadError.reason(of: error))
            }
        }

        /// Of a name's addresses the first that takes a connection.
        private static func address(of target: LoadTarget, on eventLoop: any EventLoop) async throws -> SocketAddress {
            if let address = try? SocketAddress(ipAddress: target.host, port: target.port) { return address }
            let bootstrap = ClientBootstrap(group: eventLoop)
            let channel = try await bootstrap.connect(host: target.host, port: target.port).get()
            defer { channel.close(promise: nil) }
            guard let address = channel.remoteAddress else { throw ChannelError.ioOnClosedChannel }
            return address
        }

        /// Names the server in the handshake; an address is no name.
        func tlsHandler(_ context: NIOSSLContext) throws -> NIOSSLClientHandler {
            let isAddress = (try? SocketAddress(ipAddress: self.target.host, port: 0)) != nil
            return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : self.target.host)
        }
    }

    let lines: [Line]
    /// For each thing that the other side has to do before a connection is of use.
    let timeout: TimeAmount
    private let eventLoop: any EventLoop
    private var queue: Deque<() -> Void> = []
    private var underWay = 0

    init(_ lines: [Line], timeout: TimeAmount, _ eventLoop: any EventLoop) {
        self.lines = lines
        self.timeout = timeout
        self.eventLoop = eventLoop
    }

    /// Opens a connection with `handler` in it; `onFailure` is called where it can't be opened at all.
    func dial(_ line: Line, _ handler: some ChannelInboundHandler, onFailure: @escaping (any Error) -> Void) {
        self.queue.append { [eventLoop, timeout] in
            let bound = NIOLoopBound(handler, eventLoop: eventLoop)
            ClientBootstrap(group: eventLoop)
                .connectTimeout(timeout)
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let tls = line.tls {
                            try channel.pipeline.syncOperations.addHandler(line.tlsHandler(tls))
                        }
                        try channel.pipeline.syncOperations.addHandler(bound.value)
                    }
                }
                .connect(to: line.address)
                .assumeIsolated()
                .whenComplete { result in
                    self.underWay -= 1
                    if case .failure(let error) = result { onFailure(error) }
                    self.next()
                }
        }
        self.next()
    }

    /// Forgets those that have not been begun.
    func stop() { self.queue = [] }

    private func next() {
        while self.underWay < Self.mostAtOnce, let dial = self.queue.popFirst() {
            self.underWay += 1
            dial()
        }
    }
}
