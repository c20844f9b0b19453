import EventQueue
import Hummingbird
import ServiceLifecycle
import Synchronization

extension Dashboard {
    /// More streams than these are refused: each is a connection, and writes every two seconds.
    private static let mostStreams = 50

    /// Server-sent events: the rendered parts of a page when they have changed, and a tick each time.
    func live(_ visitor: Visitor, _ event: EventID? = nil) -> Response {
        guard self.sampler.viewers < Self.mostStreams else {
            return Response(status: .serviceUnavailable, headers: self.protection)
        }
        var headers = self.protection
        headers[.contentType] = "text/event-stream"
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody { writer in
                var stream = LiveStream()
                var quiet = 0
                var seen = -1
                try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
                for await sample in self.sampler.samples(beginningWithLatest: true).cancelOnGracefulShutdown() {
                    // Whoever has signed out in the meantime sees what a stranger does.
                    let mayAct = visitor.session.map { self.sessions?.session($0.id) != nil } ?? false
                    let parts = self.fragments.of(sample, mayAct: mayAct)
                    if let event {
                        stream.add(parts.filter { ["state", "stamp"].contains($0.name) })
                        // While the database doesn't answer that, it need not be asked more.
                        if sample.number != seen, sample.trouble == nil {
                            let view = await self.view(of: event, mayAct: mayAct)
                            stream.add([Fragments.Fragment(name: "life", html: self.pages.render("life", view))])
                            quiet = view.event?.isLive == false ? quiet + 1 : 0
                        }
                        seen = sample.number
                    } else {
                        stream.add(parts)
                    }
                    // The last step of its life, the reply, is told a little after its end.
                    let isLast = quiet == 5
                    stream.tick(sample.number, isLast: isLast)
                    try await writer.write(ByteBuffer(string: stream.taken()))
                    if isLast { break }
                }
                try await writer.finish(nil)
            }
        )
    }
}

/// The live parts of the page, rendered once for all who see the same.
final class Fragments: Sendable {
    struct Fragment: Sendable {
        let name: String
        let html: String
    }

    private struct Rendered {
        var number = -1
        var isOld = false
        var fragments: [Fragment] = []
    }

    private let pages: Pages
    private let options: DashboardOptions
    private let rendered = Mutex<[Bool: Rendered]>([:])

    init(_ pages: Pages, _ options: DashboardOptions) {
        self.pages = pages
        self.options = options
    }

    func of(_ sample: Sampler.Sample, mayAct: Bool) -> [Fragment] {
        struct Values {
            let screen: Screen
        }
        return self.rendered.withLock { rendered in
            if let known = rendered[mayAct], (known.number, known.isOld) == (sample.number, sample.isOld) {
                return known.fragments
            }
            let showsErrors = self.options.showsErrors(mayAct: mayAct)
            let values = Values(screen: Screen(sample, mayAct: mayAct, showsErrors: showsErrors))
            let fragments = Pages.fragments.map { Fragment(name: $0, html: self.pages.render($0, values)) }
            rendered[mayAct] = Rendered(number: sample.number, isOld: sample.isOld, fragments: fragments)
            return fragments
        }
    }
}

/// The text of a stream of server-sent events: each part of the page only when it has changed.
struct LiveStream {
    private var sent: [String: String] = [:]
    private var text = ""

    mutating func add(_ fragments: [Fragments.Fragment]) {
        for fragment in fragments where self.sent[fragment.name] != fragment.html {
            self.sent[fragment.name] = fragment.html
            self.text += "event: fragment\ndata: \(fragment.name)\n"
            // A line of its own for each, whatever ends it: else a text could end the event.
            for line in fragment.html.unicodeScalars.split(omittingEmptySubsequences: false, whereSeparator: Self.isEnd)
            {
                self.text += "data: \(String(line))\n"
            }
            self.text += "\n"
        }
    }

    /// Says that the server is there; with `isLast`, that nothing more will come.
    mutating func tick(_ number: Int, isLast: Bool = false) {
        self.text += "event: \(isLast ? "end" : "tick")\ndata: \(number)\n\n"
    }

    mutating func taken() -> String {
        defer { self.text = "" }
        return self.text
    }

    private static func isEnd(_ scalar: UnicodeScalar) -> Bool { scalar == "\n" || scalar == "\r" }
}
