import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

/// The dashboard as a client without scruples sees it: by HTTP alone.
@Suite("the dashboard by HTTP", .serialized)
struct DashboardTests {
    /// One who keeps no cookies and follows nothing.
    struct Client: Sendable {
        private static let client = HTTPClient(configuration: .init(redirectConfiguration: .disallow))
        let port: Int
        var cookie: String?

        func get(_ path: String, _ headers: [(String, String)] = []) async throws -> Answer {
            try await self.send(.GET, path, headers, nil)
        }

        /// As one of our own pages would post it, but for the fields that are given.
        func post(
            _ path: String,
            _ form: String,
            _ headers: [(String, String)]? = nil
        ) async throws -> Answer {
            let own = [("Origin", "http://127.0.0.1:\(self.port)"), ("Sec-Fetch-Site", "same-origin")]
            let type = [("Content-Type", "application/x-www-form-urlencoded")]
            return try await self.send(.POST, path, (headers ?? own) + type, form)
        }

        private func send(
            _ method: HTTPMethod,
            _ path: String,
            _ headers: [(String, String)],
            _ body: String?
        ) async throws -> Answer {
            var request = HTTPClientRequest(url: "http://127.0.0.1:\(self.port)\(path)")
            request.method = method
            request.headers = HTTPHeaders(headers)
            if let cookie { request.headers.add(name: "Cookie", value: cookie) }
            if let body { request.body = .bytes(ByteBuffer(string: body)) }
            return try await Answer(Self.client.execute(request, timeout: .seconds(20)))
        }

        /// What a stream of server-sent events says up to its first tick.
        func stream(_ path: String) async throws -> String {
            let request = HTTPClientRequest(url: "http://127.0.0.1:\(self.port)\(path)")
            var text = ""
            for try await part in try await Self.client.execute(request, timeout: .seconds(20)).body {
                text += String(buffer: part)
                if text.contains("event: tick") { break }
            }
            return text
        }

        /// Signs in; the client of the session, and what its forms carry.
        func signedIn(_ token: String = "sesame") async throws -> (Client, formToken: String) {
            let answer = try await self.post("/login", "name=Ada&token=\(token)&next=/")
            #expect(answer.status == 303)
            var client = self
            client.cookie = answer.headers.first(name: "set-cookie").map { String($0.prefix { $0 != ";" }) }
            let form = try await client.get("/act/pause?on=echo").body
            let start = try #require(form.firstRange(of: "name=\"form_token\" value=\"")?.upperBound)
            return (client, String(form[start...].prefix { $0 != "\"" }))
        }
    }

    static let token = ["REJOINDER_OPERATOR_TOKEN": "sesame"]

    @Test("each page may be shown, read and kept by nobody else, and is served under known names only")
    func protection() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, ["--admin-names", "queue.example.com"]) { deployment in
                let client = Client(port: deployment.adminPort)
                for path in ["/", "/login", "/event/quatsch", "/nowhere", "/act/pause?on=a"] {
                    let answer = try await client.get(path)
                    #expect(answer.headers["x-frame-options"] == ["DENY"], "\(path)")
                    #expect(answer.headers["cache-control"] == ["no-store"])
                    #expect(answer.headers["referrer-policy"] == ["same-origin"])
                    #expect(answer.headers["x-content-type-options"] == ["nosniff"])
                    let policy = answer.headers.first(name: "content-security-policy") ?? ""
                    #expect(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"))
                }
                #expect(try await client.get("/nowhere").status == 404)
                #expect(try await client.get("/", [("Host", "queue.example.com:9090")]).status == 200)
                for path in ["/", "/live", "/login"] {
                    let rebound = try await client.get(path, [("Host", "evil.example")])
                    #expect(rebound.status == 421 && rebound.body.contains("--admin-names"))
                }
                #expect(try await client.get("/health/live", [("Host", "evil.example")]).status == 200)
            }
        }
    }

    @Test("without a token it is read-only, and says how that is changed")
    func readOnly() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                let client = Client(port: deployment.adminPort)
                #expect(try await client.get("/").body.contains("Read-only"))
                let page = try await client.get("/login")
                #expect(page.body.contains("REJOINDER_OPERATOR_TOKEN_FILE") && !page.body.contains("type=\"password\""))
                for form in ["name=a&token=", "name=a&token=test"] {
                    let answer = try await client.post("/login", form)
                    #expect(answer.status == 403 && answer.headers["set-cookie"].isEmpty)
                }
                #expect(try await client.post("/act/pause", "on=echo&form_token=").status == 403)
                #expect(try await database.query("select count(*)::text from rejoinder.audit") == [["0"]])
            }
        }
    }

    @Test("a session is a cookie that no script and no other site gets; wrong tokens are slowed down")
    func sessions() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, environment: Self.token) { deployment in
                let client = Client(port: deployment.adminPort)
                let right = try await client.post("/login", "name=Ada&token=sesame&next=//evil.example")
                #expect(right.status == 303 && right.headers["location"] == ["/"])
                let cookie = right.headers.first(name: "set-cookie") ?? ""
                #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/;"))
                #expect(!cookie.contains("sesame"))
                let (ada, formToken) = try await client.signedIn()
                #expect(try await ada.get("/").body.contains("Sign out"))
                #expect(try await ada.post("/logout", "form_token=x").status == 403)
                #expect(try await ada.post("/logout", "form_token=\(formToken)").status == 303)
                #expect(try await !ada.get("/").body.contains("Sign out"))

                for _ in 0..<3 { #expect(try await client.post("/login", "name=a&token=wrong").status == 403) }
                let slowed = try await client.post("/login", "name=a&token=sesame")
                #expect(slowed.status == 429 && slowed.headers.contains(name: "retry-after"))
                #expect(deployment.ingress.lines.allSatisfy { !$0.contains("sesame") })
            }
        }
    }

    @Test("a form of another site, of another session or of none changes nothing")
    func crossSite() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, environment: Self.token) { deployment in
                let client = Client(port: deployment.adminPort)
                let (ada, formToken) = try await client.signedIn()
                let (_, otherToken) = try await client.signedIn()
                let form = "on=echo&form_token=\(formToken)"
                let own = "http://127.0.0.1:\(deployment.adminPort)"
                for headers in [
                    [], [("Origin", "http://evil.example")], [("Origin", "null")],
                    [("Origin", "http://127.0.0.1:1")], [("Sec-Fetch-Site", "cross-site")],
                    [("Origin", own), ("Sec-Fetch-Site", "same-site")],
                ] {
                    #expect(try await ada.post("/act/pause", form, headers).status == 403, "\(headers)")
                    #expect(try await client.post("/login", "name=a&token=sesame", headers).status == 403)
                }
                for token in ["", "x", otherToken] {
                    #expect(try await ada.post("/act/pause", "on=echo&form_token=\(token)").status == 403)
                }
                #expect(try await client.post("/act/pause", form).status == 403)
                #expect(try await ada.get("/act/pause?on=echo&form_token=\(formToken)").status == 200)
                #expect(try await database.query("select count(*)::text from rejoinder.audit") == [["0"]])
                #expect(try await ada.post("/act/pause", form).status == 303)
                let entries = try await database.query("select actor, via, action, target from rejoinder.audit")
                #expect(entries == [["Ada", "dashboard", "pause", "echo"]])
            }
        }
    }

    @Test("an ingress's own login can show all and do nothing, and is told the line that mends it")
    func rights() async throws {
        try await TestCluster.withDatabase { database in
            let ingress = try await database.asMember(of: "rejoinder_ingress")
            let steering = try await database.asMember(of: "rejoinder_operator")
            try await Deployment.with(ingress, ["--show-payloads"], environment: Self.token) { deployment in
                try await Program.with("ScriptedWorker", environment: ["DATABASE_URL": database.url]) { _ in
                    let refused = try await deployment.call("refuse")
                    let client = Client(port: deployment.adminPort)
                    let page = try await client.get("/").body
                    for text in ["refuse", "<code>refused</code>", "ScriptedWorker", "class=\"good\">Live"] {
                        #expect(page.contains(text), "\(text)")
                    }
                    #expect(!page.contains("not this one"))
                    let (ada, formToken) = try await client.signedIn()
                    #expect(try await ada.get("/").body.contains("not this one"))
                    let answer = try await ada.post("/act/pause", "on=echo&form_token=\(formToken)")
                    #expect(answer.status == 403 && answer.body.contains("rejoinder grant LOGIN operator"))
                    let id = try Self.event(of: refused)
                    let event = try await ada.get("/event/\(id)").body
                    #expect(event.contains("not this one") && event.contains("rejoinder grant LOGIN operator"))
                    #expect(!event.contains("API_INTEGRATION"))
                }
            }
            let environment = Self.token.merging(["REJOINDER_OPERATOR_DATABASE_URL": steering.url]) { $1 }
            try await Deployment.with(ingress, environment: environment) { deployment in
                let (ada, formToken) = try await Client(port: deployment.adminPort).signedIn()
                #expect(try await ada.post("/act/pause", "on=echo&form_token=\(formToken)").status == 303)
            }
        }
    }

    @Test("payloads and answers are shown only where that is set, and only to those who have signed in")
    func payloads() async throws {
        try await TestCluster.withDatabase { database in
            for (arguments, isShown) in [([], false), (["--show-payloads"], true)] {
                try await Deployment.with(database, arguments, environment: Self.token) { deployment in
                    try await deployment.withWorker { _ in
                        _ = try await deployment.call("echo", ["id": "a secret wish"])
                        let rows = try await database.query("select id::text from rejoinder.recent limit 1")
                        let id = try #require(rows.first?.first ?? nil)
                        let client = Client(port: deployment.adminPort)
                        #expect(try await !client.get("/event/\(id)").body.contains("a secret wish"))
                        let (ada, _) = try await client.signedIn()
                        let page = try await ada.get("/event/\(id.uppercased())").body
                        #expect(page.contains("a secret wish") == isShown)
                        #expect(page.contains("answered"))
                    }
                }
            }
        }
    }

    static func event(of answer: Answer) throws -> String {
        let start = try #require(answer.body.firstRange(of: "\"event\":\"")?.upperBound)
        return String(answer.body[start...].prefix(36))
    }
}
