/// What every page has.
struct Frame: Sendable {
    let style = Pages.style
    let script = Pages.script
    let visitor: Visitor
    /// Where the page's live parts come from; without script it loads itself again.
    let stream: String?
    let isReloaded: Bool
    let notice: Sessions.Notice?

    init(_ visitor: Visitor, stream: String? = nil, notice: Sessions.Notice? = nil) {
        self.visitor = visitor
        self.stream = stream
        self.isReloaded = stream != nil
        self.notice = notice
    }
}

/// Who looks.
struct Visitor: Sendable {
    let session: Sessions.Session?
    /// Nil when they have not signed in.
    let name: String?
    let formToken: String
    /// There is a token to sign in with.
    let canSignIn: Bool

    init(_ session: Sessions.Session?, canSignIn: Bool) {
        self.session = session
        self.name = session?.name
        self.formToken = session?.formToken ?? ""
        self.canSignIn = canSignIn
    }
}
