import HTTPTypes
import Testing

@testable import Dashboard

@Suite("What keeps others away from the dashboard")
struct ProtectionTests {
    @Test(
        "addresses, localhost and names that were given are served; other names are not",
        arguments: [
            ("127.0.0.1", true), ("127.0.0.1:9090", true), ("10.0.0.7:80", true), ("localhost:9090", true),
            ("LOCALHOST", true), ("[::1]:9090", true), ("[fe80::1]", true), ("Queue.Example.com:9090", true),
            ("evil.example", false), ("localhost.evil.example", false), ("127.0.0.1.evil.example", false),
            ("1.2.3", false), ("1.2.3.4.5", false), ("256.1.1.1", false), ("", false), ("[::1].evil.example", false),
            ("[evil]", false), ("127.0.0.1:evil", false), ("127.0.0.1:1:2", false), ("evil.example:127.0.0.1", false),
        ]
    )
    func hosts(_ authority: String, _ isKnown: Bool) {
        #expect(RequestChecks.isKnown(host: authority, names: ["queue.example.com"]) == isKnown)
    }

    @Test("a request without a host is not served")
    func noHost() {
        #expect(!RequestChecks.isKnown(host: nil, names: []))
    }

    @Test(
        "a form counts as our own when the browser says so",
        arguments: [
            ("http://127.0.0.1:9090", "same-origin", true), ("http://127.0.0.1:9090", nil, true),
            ("https://127.0.0.1:9090", "same-origin", true), (nil, "same-origin", true), (nil, nil, false),
            ("null", nil, false), ("null", "same-origin", false), ("http://127.0.0.1:9091", nil, false),
            ("http://evil.example", nil, false), ("http://127.0.0.1:9090", "cross-site", false),
            ("http://127.0.0.1:9090", "same-site", false), (nil, "none", false), (nil, "cross-site", false),
        ] as [(String?, String?, Bool)]
    )
    func origins(_ origin: String?, _ site: String?, _ isOwn: Bool) {
        var request = HTTPRequest(method: .post, scheme: "http", authority: "127.0.0.1:9090", path: "/login")
        request.headerFields[.origin] = origin
        request.headerFields[.secFetchSite] = site
        #expect(RequestChecks.isOwn(request) == isOwn)
    }

    @Test("only the token signs in; after three wrong tries there is a wait, which grows")
    func slowDown() {
        let sessions = Sessions(token: "sesame")
        var now = ContinuousClock.now
        func isWrong(_ token: String) -> Bool {
            if case .wrong = sessions.signIn(token: token, name: "a", at: now) { true } else { false }
        }
        func wait(_ token: String) -> Duration? {
            if case .tooSoon(let wait) = sessions.signIn(token: token, name: "a", at: now) { wait } else { nil }
        }
        for token in ["", "Sesame", "sesame "] { #expect(isWrong(token)) }
        #expect(wait("sesame") == .seconds(1))
        now += .seconds(1)
        #expect(isWrong("x"))
        #expect(wait("sesame") == .seconds(2))
        for _ in 0..<10 {
            now += .seconds(60)
            #expect(isWrong("x"))
        }
        #expect(wait("sesame") == .seconds(30))
        now += .seconds(30)
        guard case .done(let session) = sessions.signIn(token: "sesame", name: "Ada", at: now) else {
            Issue.record("the token did not sign in")
            return
        }
        #expect(isWrong("x") && isWrong("x"))
        #expect(sessions.session(session.id, at: now)?.name == "Ada")
        #expect(session.id.count == 64 && session.formToken.count == 64 && session.id != session.formToken)
        #expect(sessions.session(session.formToken, at: now) == nil)
        #expect(sessions.session(session.id, at: now + Sessions.lifetime) == nil)
        sessions.leave(Sessions.Notice(text: "done"), for: session.id)
        #expect(sessions.takeNotice(for: session.id)?.text == "done")
        #expect(sessions.takeNotice(for: session.id) == nil)
        sessions.signOut(session.id)
        #expect(sessions.session(session.id, at: now) == nil)
    }

    @Test("at most a hundred sessions: the oldest goes")
    func most() {
        let sessions = Sessions(token: "t")
        let start = ContinuousClock.now
        let ids = (0..<101).compactMap { index in
            if case .done(let session) = sessions.signIn(token: "t", name: "a", at: start + .seconds(index)) {
                session.id
            } else {
                nil
            }
        }
        #expect(ids.count == 101)
        #expect(sessions.session(ids[0], at: start) == nil)
        #expect(ids.dropFirst().allSatisfy { sessions.session($0, at: start) != nil })
    }

    @Test(
        "after signing in one goes to a page of ours only",
        arguments: [
            ("/act/pause?on=a%20b", "/act/pause?on=a%20b"), (nil, "/"), ("", "/"), ("//evil.example", "/"),
            ("/\\evil.example", "/"), ("http://evil.example", "/"), ("/a\r\nSet-Cookie: x", "/"), ("/login?x", "/"),
        ] as [(String?, String)]
    )
    func next(_ path: String?, _ expected: String) {
        #expect(Dashboard.ownPath(path) == expected)
    }

    @Test("what a stranger named is text, also where a combining mark follows a quotation mark")
    func escaping() {
        struct Values {
            let screen: [String: [[String: String]]]
        }
        let hostile = "<script>\"\u{301} onmouseover='x'\u{301}&"
        let html = Pages().render("tiles", Values(screen: ["tiles": [["label": hostile, "value": "1", "note": ""]]]))
        #expect(html.contains("&lt;script&gt;&quot;\u{301} onmouseover=&#39;x&#39;\u{301}&amp;"))
        #expect(!html.contains("<script"))
    }

    @Test("no text ends an event of a stream before its time")
    func stream() {
        var stream = LiveStream()
        stream.add([Fragments.Fragment(name: "a", html: "one\ntwo\r\nevent: end\rthree")])
        stream.tick(7)
        let expected = "event: fragment\ndata: a\ndata: one\ndata: two\ndata: \ndata: event: end\ndata: three\n\n"
        #expect(stream.taken() == expected + "event: tick\ndata: 7\n\n")
        stream.add([Fragments.Fragment(name: "a", html: "one\ntwo\r\nevent: end\rthree")])
        #expect(stream.taken().isEmpty)
    }

    @Test("the policy names the very script and style that the pages have")
    func policy() {
        let policy = Pages().contentSecurityPolicy
        #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
        #expect(!Pages.script.contains("</") && !Pages.style.contains("</"))
    }
}
