import NIOCore
import NIOHTTP1
import Synchronization

/// Answers the first request of a connection, and closes it.
final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let pages: [String: @Sendable () -> AdminPort.Page]
    private var head: HTTPRequestHead?
    private var isDone = false

    init(pages: [String: @Sendable () -> AdminPort.Page]) {
        self.pages = pages
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isDone else { return }
        switch Self.unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end: self.respond(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func respond(_ context: ChannelHandlerContext) {
        guard let request = self.head else { return }
        self.isDone = true
        let page = self.page(for: request)
        var headers: HTTPHeaders = [
            "content-type": page.contentType, "content-length": "\(page.body.utf8.count)", "connection": "close",
        ]
        if page.status == .methodNotAllowed { headers.add(name: "allow", value: "GET, HEAD") }
        let head = HTTPResponseHead(version: .http1_1, status: page.status, headers: headers)
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: page.body)))), promise: nil)
        }
        let channel = context.channel
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }

    private func page(for request: HTTPRequestHead) -> AdminPort.Page {
        guard request.method == .GET || request.method == .HEAD else {
            return AdminPort.Page(status: .methodNotAllowed, body: "GET and HEAD only\n")
        }
        let path = request.uri.prefix { $0 != "?" }
        return self.pages[String(path)].map { $0() }
            ?? AdminPort.Page(status: .notFound, body: "there is no such page\n")
    }
}

/// How many connections are open.
final class ConnectionCount: Sendable {
    private let count = Atomic(0)

    /// False when there are so many already.
    func enter(upTo most: Int) -> Bool {
        guard self.count.add(1, ordering: .relaxed).newValue > most else { return true }
        self.leave()
        return false
    }

    func leave() { self.count.subtract(1, ordering: .relaxed) }
}
