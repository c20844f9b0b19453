import EventQueue
package import Hummingbird
package import Logging
package import PostgresClient
import ServiceLifecycle

/// One page that shows what the queue does and lets an operator steer it, for an ingress's private port.
///
/// As a service it samples the database while somebody looks.
package struct Dashboard: Service, HTTPResponder {
    let options: DashboardOptions
    let pages: Pages
    let reader: QueueReader
    let sampler: Sampler
    let fragments: Fragments
    /// Nil where there is no token: then nobody may act.
    let sessions: Sessions?
    /// With the rights of an operator, where such a login was given.
    let operators: PostgresPool
    let contents: QueueReader
    let logger: Logger

    /// To look, an ingress's login is enough.
    ///
    /// To act and to show payloads it takes an operator's, the second one; where there is none the first is tried.
    package init(
        _ options: DashboardOptions,
        database: PostgresConfiguration,
        operatorDatabase: PostgresConfiguration?,
        logger: Logger
    ) {
        // The ingress itself says in the log when the database goes and comes.
        let silent = Logger(label: "dashboard") { _ in SwiftLogNoOpLogHandler() }
        var configuration = database
        configuration.statementTimeout = .seconds(4)
        self.options = options
        self.pages = Pages()
        self.reader = QueueReader(configuration, logger: silent)
        self.sampler = Sampler(self.reader)
        self.fragments = Fragments(self.pages, options)
        self.sessions = options.token.map { Sessions(token: $0) }
        let acting = operatorDatabase ?? database
        self.operators = PostgresPool(.forLooks(acting, logger: silent), size: 2)
        self.contents = QueueReader(acting, logger: silent)
        self.logger = logger
    }

    package func run() async {
        await cancelWhenGracefulShutdown { await self.sampler.run() }
    }

    package func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        guard RequestChecks.isKnown(host: request.head.authority, names: self.options.names) else {
            return Self.misdirected
        }
        let visitor = self.visitor(of: request)
        let path = request.uri.path
        switch (request.method, path) {
        case (.get, "/"), (.head, "/"): return await self.overview(visitor)
        case (.get, "/live"): return self.live(visitor)
        case (.get, "/event"): return self.find(URLText.fields(request.uri.query ?? ""), visitor)
        case (.get, "/login"): return self.signInPage(visitor, URLText.fields(request.uri.query ?? ""))
        case (.post, "/login"): return try await self.signIn(request, visitor)
        case (.post, "/logout"): return try await self.signOut(request, visitor)
        default: break
        }
        if request.method == .get, path.hasPrefix("/event/") { return await self.event(path.dropFirst(7), visitor) }
        if path.hasPrefix("/act/"), let action = Action(rawValue: String(path.dropFirst(5))) {
            if request.method == .get {
                return await self.form(action, URLText.fields(request.uri.query ?? ""), visitor)
            }
            if request.method == .post { return try await self.act(action, request, visitor) }
        }
        return self.message(.notFound, "There is no such page", "Nothing is at \(path).", visitor)
    }

    /// Of a host that a stranger's name may lead to.
    private static let misdirected = Response(
        status: .misdirectedRequest,
        headers: [.contentType: "text/plain; charset=utf-8"],
        body: ResponseBody(
            byteBuffer: ByteBuffer(
                string: """
                    The dashboard is not served under this name: use an IP address, localhost, or a name of --admin-names.

                    """
            )
        )
    )
}
