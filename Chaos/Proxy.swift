import NIOCore
import NIOPosix
import Synchronization

/// A TCP proxy that can cut or stall what it carries, at a given statement too, or swallow everything.
final class Proxy: Sendable {
    /// Ends a connection at the next statement of a name.
    struct Trap: Sendable {
        enum Point: String, Sendable, CaseIterable { case before, during, after }
        enum Deed: Sendable { case cut, stall }

        /// As it was prepared.
        let statement: String
        /// Before the server has it, when it has it but its answer is not through, or when part of that is.
        let point: Point
        let deed: Deed

        /// Whether these bytes of a client bind it.
        fileprivate func isSprung(by bytes: ByteBuffer) -> Bool {
            bytes.readableBytesView.firstRange(of: [0] + Array(self.statement.utf8) + [0]) != nil
        }
    }

    let port: Int
    private let listener: any Channel
    private let links: Links

    /// Listens on a free port of the loopback.
    static func start(before port: Int) async throws -> Proxy {
        let links = Links()
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { client in
                // Taken, and never heard of again.
                guard !links.isSwallowing else {
                    links.add(swallowed: client)
                    return client.eventLoop.makeSucceededVoidFuture()
                }
                return ClientBootstrap(group: client.eventLoop)
                    .connect(host: "127.0.0.1", port: port)
                    .flatMapThrowing { server in
                        let link = Link(client, server)
                        links.add(link)
                        server.closeFuture.whenComplete { _ in
                            links.remove(link)
                            client.close(promise: nil)
                        }
                        client.closeFuture.whenComplete { _ in
                            link.clientClosed()
                            server.close(promise: nil)
                        }
                        try client.pipeline.syncOperations.addHandler(
                            Carrier(to: server, link, links, isFromClient: true)
                        )
                        try server.pipeline.syncOperations.addHandler(
                            Carrier(to: client, link, links, isFromClient: false)
                        )
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        guard let own = listener.localAddress?.port else { throw ChannelError.unknownLocalAddress }
        return Proxy(port: own, listener, links)
    }

    private init(port: Int, _ listener: any Channel, _ links: Links) {
        self.port = port
        self.listener = listener
        self.links = links
    }

    /// Cuts a connection, chosen at random, when it has carried so many bytes more; false where there is none.
    func cutOne(afterBytes bytes: Int) -> Bool {
        guard let link = self.links.random() else { return false }
        link.fate.withLock { $0 = .cutAfter(bytes) }
        if bytes == 0 { link.cut() }
        return true
    }

    /// From now on carries nothing more on one connection that is in use, if there is one, and leaves it open.
    func stallOne() {
        if let link = self.links.randomInUse() { self.links.stall(link) }
    }

    /// The next connection on which the statement comes falls into it.
    func set(_ trap: Trap) { self.links.set(trap) }

    /// Whether a connection has fallen into the trap that was set last.
    var isTrapSprung: Bool { self.links.isTrapSprung }

    /// From now on carries nothing, and takes connections without a word; what is open stays open.
    func swallowAll() {
        self.links.swallow(true)
        for link in self.links.all() { self.links.stall(link) }
    }

    /// Carries new connections again; those that it swallowed are gone.
    func swallowNoMore() {
        self.links.swallow(false)
        for link in self.links.all() where !link.isCarried { link.cut() }
    }

    /// Lets all connections live that have not been cut yet.
    func mend() { for link in self.links.all() { link.fate.withLock { $0 = .carried } } }

    /// How long those who had them took to close the stalled connections, in seconds; nil where one is still open.
    ///
    /// Without those that carried nothing since: a connection that lies in a pool harms nobody before it is used.
    var stalls: [Double?] { self.links.stalled().filter(\.isMissed).map(\.closedAfter) }
}

/// The connections that are open, and those that were stalled.
private final class Links: Sendable {
    private struct State {
        var links: [ObjectIdentifier: Link] = [:]
        var stalled: [Link] = []
        var trap: Proxy.Trap?
        var isSwallowing = false
        var swallowed: [any Channel] = []
    }

    private let state = Mutex(State())

    var isSwallowing: Bool { self.state.withLock { $0.isSwallowing } }

    func add(_ link: Link) { self.state.withLock { $0.links[ObjectIdentifier(link)] = link } }
    func remove(_ link: Link) { self.state.withLock { $0.links[ObjectIdentifier(link)] = nil } }
    func random() -> Link? { self.all().filter(\.isCarried).randomElement() }
    func randomInUse() -> Link? { self.all().filter { $0.isCarried && $0.isInUse }.randomElement() }
    func all() -> [Link] { self.state.withLock { Array($0.links.values) } }

    func set(_ trap: Proxy.Trap) { self.state.withLock { $0.trap = trap } }
    var isTrapSprung: Bool { self.state.withLock { $0.trap == nil } }

    /// The trap that these bytes of a client spring, which is set no longer.
    func trap(sprungBy bytes: ByteBuffer) -> Proxy.Trap? {
        self.state.withLock { state in
            guard let trap = state.trap, trap.isSprung(by: bytes) else { return nil }
            state.trap = nil
            return trap
        }
    }

    func stall(_ link: Link) {
        link.stall()
        self.state.withLock { $0.stalled.append(link) }
    }

    func stalled() -> [Link] { self.state.withLock { $0.stalled } }
    func add(swallowed client: any Channel) { self.state.withLock { $0.swallowed.append(client) } }

    func swallow(_ isSwallowing: Bool) {
        let swallowed = self.state.withLock { state in
            state.isSwallowing = isSwallowing
            defer { state.swallowed = [] }
            return state.swallowed
        }
        for client in swallowed { client.close(promise: nil) }
    }
}

/// A client's connection and its own to the server.
private final class Link: Sendable {
    enum Fate {
        case carried
        case cutAfter(Int)
        case stalled
        /// When something has come from the server.
        case endsWithAnswer(Proxy.Trap.Deed)
    }

    private struct Times {
        var used = ContinuousClock.now
        var stalled: ContinuousClock.Instant?
        /// In seconds after it was stalled.
        var closed: Double?
    }

    let fate = Mutex(Fate.carried)
    private let times = Mutex(Times())
    private let client: any Channel
    private let server: any Channel

    init(_ client: any Channel, _ server: any Channel) {
        self.client = client
        self.server = server
    }

    var isCarried: Bool { self.fate.withLock { if case .carried = $0 { true } else { false } } }

    /// Whether anything has gone through in the last second.
    var isInUse: Bool { ContinuousClock.now - self.times.withLock { $0.used } < .seconds(1) }

    /// Whether anything was to go through since it was stalled.
    var isMissed: Bool { self.times.withLock { times in times.stalled.map { $0 < times.used } ?? false } }

    /// How long after it was stalled its client closed it, in seconds.
    var closedAfter: Double? { self.times.withLock { $0.closed } }

    func stall() {
        self.fate.withLock { $0 = .stalled }
        self.times.withLock { $0.stalled = .now }
    }

    /// What is to be done now that something comes from the server; nil for nothing.
    func endsWithAnswer() -> Proxy.Trap.Deed? {
        self.fate.withLock { if case .endsWithAnswer(let deed) = $0 { deed } else { nil } }
    }

    func clientClosed() {
        self.times.withLock { times in
            times.closed = times.stalled.map { (ContinuousClock.now - $0) / .seconds(1) }
        }
    }

    func cut() {
        self.client.close(promise: nil)
        self.server.close(promise: nil)
    }

    /// How many of so many bytes go through, and whether that is the end.
    func pass(_ count: Int) -> (bytes: Int, isEnd: Bool) {
        self.times.withLock { $0.used = .now }
        return self.fate.withLock { fate in
            switch fate {
            case .carried: return (count, false)
            case .stalled: return (0, false)
            case .cutAfter(let left) where left > count:
                fate = .cutAfter(left - count)
                return (count, false)
            case .cutAfter(let left): return (left, true)
            case .endsWithAnswer: return (count, false)
            }
        }
    }
}

/// Carries one direction.
private final class Carrier: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let peer: any Channel
    private let link: Link
    private let links: Links
    private let isFromClient: Bool

    init(to peer: any Channel, _ link: Link, _ links: Links, isFromClient: Bool) {
        self.peer = peer
        self.link = link
        self.links = links
        self.isFromClient = isFromClient
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        if self.isFromClient {
            if self.link.isCarried, let trap = self.links.trap(sprungBy: bytes) { return self.fall(into: trap, bytes) }
        } else if let deed = self.link.endsWithAnswer() {
            return self.end(deed, after: self.peer.writeAndFlush(bytes))
        }
        let (count, isEnd) = self.link.pass(bytes.readableBytes)
        let written = bytes.readSlice(length: count).map { self.peer.writeAndFlush($0) }
        if isEnd { self.end(.cut, after: written) }
    }

    private func fall(into trap: Proxy.Trap, _ bytes: ByteBuffer) {
        switch trap.point {
        case .before: self.end(trap.deed, after: nil)
        case .during: self.end(trap.deed, after: self.peer.writeAndFlush(bytes))
        case .after:
            self.link.fate.withLock { $0 = .endsWithAnswer(trap.deed) }
            self.peer.writeAndFlush(bytes, promise: nil)
        }
    }

    /// Ends the connection once what was written has gone out.
    private func end(_ deed: Proxy.Trap.Deed, after written: EventLoopFuture<Void>?) {
        switch deed {
        case .stall: self.links.stall(self.link)
        case .cut: (written ?? self.peer.eventLoop.makeSucceededVoidFuture()).whenComplete { _ in self.link.cut() }
        }
    }
}
