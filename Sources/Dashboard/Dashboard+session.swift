import HTTPTypes
import Hummingbird
import Logging

extension Dashboard {
    /// Who sent the request, by the cookie of their session.
    func visitor(of request: Request) -> Visitor {
        let cookie = request.cookies[Self.cookieName(request)]?.value
        let session = cookie.flatMap { self.sessions?.session($0) }
        return Visitor(session, canSignIn: self.sessions != nil)
    }

    /// Cookies don't tell ports apart, so that two ingresses of one host would sign each other's operators out.
    private static func cookieName(_ request: Request) -> String {
        let authority = request.head.authority ?? ""
        let port = authority.split(separator: ":").last.flatMap { UInt16($0) }
        return "rejoinder_session" + (port.map { "_\($0)" } ?? "")
    }

    private struct SignInValues {
        let frame: Frame
        let canSignIn: Bool
        let problem: String?
        let next: String
        let name: String
    }

    func signInPage(
        _ visitor: Visitor,
        _ fields: [String: String],
        problem: String? = nil,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = HTTPFields()
    ) -> Response {
        let values = SignInValues(
            frame: Frame(visitor),
            canSignIn: visitor.canSignIn,
            problem: problem,
            next: Self.ownPath(fields["next"]),
            name: fields["name"] ?? ""
        )
        return self.page("login", values, status: status, headers: headers)
    }

    func signIn(_ request: Request, _ visitor: Visitor) async throws -> Response {
        guard let sessions else { return self.signInPage(visitor, [:], status: .forbidden) }
        guard let fields = try await Self.fields(of: request), RequestChecks.isOwn(request.head) else {
            return self.notOwn(visitor)
        }
        let name = (fields["name"] ?? "").filter { !$0.isNewline }.prefix(60)
        guard !name.allSatisfy(\.isWhitespace) else {
            return self.signInPage(visitor, fields, problem: "A name is needed.", status: .badRequest)
        }
        switch sessions.signIn(token: fields["token"] ?? "", name: String(name)) {
        case .done(let session):
            self.logger.notice("an operator has signed in to the dashboard", metadata: ["name": "\(name)"])
            let lifetime = Sessions.lifetime.components.seconds
            let cookie =
                "\(Self.cookieName(request))=\(session.id); Path=/; Max-Age=\(lifetime); HttpOnly; SameSite=Strict"
            return self.redirect(to: Self.ownPath(fields["next"]), headers: [.setCookie: cookie])
        case .wrong:
            self.logger.warning("a wrong operator token")
            return self.signInPage(visitor, fields, problem: "This is not the operator token.", status: .forbidden)
        case .tooSoon(let wait):
            let seconds = max(1, wait.components.seconds + 1)
            return self.signInPage(
                visitor,
                fields,
                problem: "There were several wrong tries: the next one is possible in \(seconds) s.",
                status: .tooManyRequests,
                headers: [.retryAfter: "\(seconds)"]
            )
        }
    }

    func signOut(_ request: Request, _ visitor: Visitor) async throws -> Response {
        guard let fields = try await Self.fields(of: request), self.isOfSession(request, fields, visitor) else {
            return self.notOwn(visitor)
        }
        if let session = visitor.session { self.sessions?.signOut(session.id) }
        let cookie = "\(Self.cookieName(request))=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        return self.redirect(to: "/", headers: [.setCookie: cookie])
    }

    /// The fields of a form; nil where they are too many, or none.
    static func fields(of request: Request) async throws -> [String: String]? {
        guard request.headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") == true else { return nil }
        do {
            return URLText.fields(String(buffer: try await request.body.collect(upTo: 1 << 16)))
        } catch {
            return nil
        }
    }

    /// Whether a form came from a page of ours that was made for this very session.
    func isOfSession(_ request: Request, _ fields: [String: String], _ visitor: Visitor) -> Bool {
        guard let session = visitor.session, RequestChecks.isOwn(request.head) else { return false }
        return (fields["form_token"] ?? "").isSame(as: session.formToken)
    }

    func notOwn(_ visitor: Visitor) -> Response {
        self.message(
            .forbidden,
            "Refused",
            "This form did not come from a page of this dashboard, or is too old. Nothing was changed: go back, "
                + "load the page again and send it from there.",
            visitor
        )
    }

    /// A path of ours; never an address that leads away.
    static func ownPath(_ path: String?) -> String {
        guard let path, path.hasPrefix("/"), !path.hasPrefix("//"), !path.hasPrefix("/login") else { return "/" }
        let isPlain = path.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\\") }
        return isPlain ? path : "/"
    }
}
