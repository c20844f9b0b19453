import HaptikWebhook
import LocalPostgres
import Subprocess
import TestSupport
import Testing

/// The dashboard as a person sees it: in a real browser.
@Suite("the dashboard in a browser", .serialized, .enabled(if: Browser.isExpected), .timeLimit(.minutes(10)))
struct DashboardBrowserTests {
    private static let token = ["REJOINDER_OPERATOR_TOKEN": "sesame"]

    /// What the page says was done, which comes with the page that follows the form.
    private func expect(_ browser: Browser, notice: String) async throws {
        try await browser.eventually("return document.querySelector('.notice')?.innerText ?? ''") {
            $0.string == notice
        }
    }

    private func signIn(_ browser: Browser, _ page: String, token: String = "sesame") async throws {
        try await browser.open(page + "login")
        try await browser.type("Ada", into: "#name")
        try await browser.type(token, into: "#token")
        try await browser.click("main form button")
    }

    @Test("under load it follows what happens, without being loaded again, and the focus stays")
    func live() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await Browser.with { browser in
                    try await browser.open("http://127.0.0.1:\(deployment.adminPort)/")
                    #expect(try await browser.text("#state") == "Live")
                    #expect(try await browser.text("#queue").contains("No calls yet: send one with rejoinder send"))
                    #expect(try await browser.text("#workers").contains("No worker runs"))
                    #expect(try await browser.text("#failures").contains("None"))
                    try await browser.run("window.isTheSame = true")
                    try await deployment.withWorker { _ in
                        try await browser.eventually("#workers", says: "ScriptedWorker")
                        let load = Task {
                            while !Task.isCancelled { _ = try await deployment.call("echo", ["id": "1", "ms": "50"]) }
                        }
                        defer { load.cancel() }
                        async let slow = deployment.call("sleep", ["id": "1", "ms": "6000"])
                        _ = try await deployment.call("refuse")
                        try await browser.eventually("#queue", says: "echo")
                        try await browser.eventually("#failures", says: "refused")
                        try await browser.eventually("return document.querySelector('.tile .value').innerText") {
                            $0.string != "0"
                        }
                        try await browser.eventually("#calls", says: "answered")
                        try await browser.eventually("return document.querySelectorAll('#calls .plot rect').length") {
                            $0 != 0
                        }
                        try await browser.eventually("return document.querySelectorAll('#times path.p50').length") {
                            $0 != 0
                        }
                        try await browser.run("document.querySelector('#failures a').focus()")
                        let stamp = try await browser.text("#stamp")
                        try await browser.eventually("return document.querySelector('#stamp').innerText") {
                            $0.string != stamp
                        }
                        let slowest = try await slow
                        #expect(slowest.status == 200, "\(slowest.body)")
                        _ = try await deployment.call("refuse")
                        try await browser.eventually("return document.querySelectorAll('#failures tbody tr').length") {
                            $0 == 2
                        }
                        let focused = try await browser.run(
                            "return document.activeElement.closest('#failures') !== null"
                        )
                        #expect(focused == true)
                        #expect(try await browser.run("return window.isTheSame") == true)
                        try await browser.hold("#failures a")
                        _ = try await deployment.call("refuse")
                        let refused = """
                            return [...document.querySelectorAll("#queue tbody tr")]
                                .find((row) => row.innerText.startsWith("refuse"))
                                .querySelector("[data-label='Not in 1 h']").innerText
                            """
                        try await browser.eventually(refused) { $0 == "3" }
                        #expect(
                            try await browser.run("return document.querySelectorAll('#failures tbody tr').length") == 2
                        )
                        try await browser.release()
                        try await browser.eventually("return location.pathname") {
                            $0.string?.contains("/event/") == true
                        }
                    }
                }
            }
        }
    }

    @Test("each action is asked for, done, shown, and put on record")
    func actions() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, environment: Self.token) { deployment in
                try await deployment.withWorker { _ in
                    try await Browser.with { browser in
                        let page = "http://127.0.0.1:\(deployment.adminPort)/"
                        try await self.signIn(browser, page, token: "wrong")
                        try await browser.eventually("[role=alert]", says: "This is not the operator token.")
                        try await self.signIn(browser, page)
                        try await browser.eventually("header", says: "Ada")
                        try await self.steerNode(browser, page, deployment)
                        try await self.steerEvents(browser, page, deployment)
                        try await browser.eventually("#workers", says: "Drain")
                        try await browser.click("#workers .acts a")
                        try await browser.click("form.sheet button")
                        try await browser.eventually(".notice", says: "is draining.")
                    }
                }
                let entries = try await database.query(
                    """
                    select string_agg(action, ' ' order by id)
                      from rejoinder.audit
                     where actor = 'Ada' and via = 'dashboard'
                    """
                )
                #expect(entries == [["pause resume limit limit answer_by_hand cancel retry drain"]])
            }
        }
    }

    private func steerNode(_ browser: Browser, _ page: String, _ deployment: Deployment) async throws {
        #expect(try await deployment.call("echo", ["id": "1"]).status == 200)
        try await browser.open(page)
        try await browser.eventually("#queue", says: "Pause")
        try await browser.click("[aria-label='Pause echo']")
        try await browser.eventually("h1", says: "Pause a node")
        try await browser.click("form.sheet button")
        try await self.expect(browser, notice: "Node echo is paused.")
        try await browser.eventually("#queue", says: "paused, callers are refused")
        try await browser.eventually("return document.querySelector(`[aria-label='Resume echo']`) !== null") {
            $0 == true
        }
        try await browser.click("[aria-label='Resume echo']")
        try await browser.click("form.sheet button")
        try await self.expect(browser, notice: "Node echo is resumed.")

        try await browser.open(page + "act/limit?on=echo")
        try await browser.type("many", into: "#running")
        try await browser.click("form.sheet button")
        try await browser.eventually("[role=alert]", says: "expected a whole number")
        try await browser.open(page + "act/limit?on=echo")
        try await browser.type("4", into: "#running")
        try await browser.type("12.5", into: "#per_second")
        try await browser.click("form.sheet button")
        try await browser.eventually("#queue", says: "4 at once, 12.5 a second")
        try await browser.open(page + "act/limit?on=echo")
        #expect(try await browser.run("return document.querySelector('#running').value") == "4")
        try await browser.run(
            "for (const input of document.querySelectorAll('#running, #per_second')) input.value = ''"
        )
        try await browser.click("form.sheet button")
        try await self.expect(browser, notice: "Node echo has no limit any more.")
    }

    private func steerEvents(_ browser: Browser, _ page: String, _ deployment: Deployment) async throws {
        async let answered = deployment.call("sleep", ["ms": "20000"])
        let first = try await self.runningEvent(deployment)
        try await browser.open(page)
        try await browser.type(first, into: "#find")
        try await browser.press(.enter)
        try await browser.eventually("h1", says: first)
        try await browser.eventually("#life", says: "running")
        try await browser.click("#life .acts a")
        try await browser.type("A colleague <b>will</b> call.", into: "#message")
        try await browser.click("form.sheet button")
        try await self.expect(browser, notice: "The event is answered.")
        #expect(try await answered.message == "A colleague <b>will</b> call.")

        async let cancelled = deployment.call("sleep", ["ms": "20000"])
        let second = try await self.runningEvent(deployment)
        try await browser.open(page + "event/" + second)
        try await browser.click("#life .acts a:last-child")
        try await browser.eventually("h1", says: "Cancel an event")
        try await browser.click("form.sheet button")
        try await self.expect(browser, notice: "The event is cancelled.")
        #expect(try await cancelled.status == 502)
        try await browser.click("#life .acts a")
        try await browser.click("form.sheet button")
        try await self.expect(browser, notice: "The event is queued again.")
        try await browser.open(page + "act/retry?on=" + second)
        try await browser.click("form.sheet button")
        try await browser.eventually("[role=alert]", says: "only a failed, expired or cancelled one")
        try await browser.open(page)
    }

    private func runningEvent(_ deployment: Deployment) async throws -> String {
        try await deployment.eventually(
            "select count(*)::text from rejoinder.queue where node = 'sleep' and state = 'running'",
            is: "1"
        )
        let rows = try await deployment.database.query("select id::text from rejoinder.queue where node = 'sleep'")
        return try #require(rows.first?.first ?? nil)
    }

    @Test("a database that goes away leaves the page, says since when, and comes back; so does the process itself")
    func databaseAway() async throws {
        try await TestCluster.withCluster { cluster, database in
            try await Deployment.with(database, environment: Self.token) { deployment in
                try await Browser.with { browser in
                    let page = "http://127.0.0.1:\(deployment.adminPort)/"
                    try await self.signIn(browser, page)
                    try await browser.eventually("#state", says: "Live")
                    try await browser.run("window.isTheSame = true")
                    try await cluster.stop()
                    try await browser.eventually("#state", says: "The database has been away since")
                    try await browser.eventually("#state", says: "Figures are of")
                    let opacity = "return Number(getComputedStyle(document.querySelector('#queue')).opacity)"
                    try await browser.eventually(opacity) { $0 != 1 }
                    #expect(try await browser.run("return window.isTheSame") == true)
                    try await browser.open(page + "act/pause?on=echo")
                    try await browser.click("form.sheet button")
                    try await browser.eventually("[role=alert]", says: "nothing was changed")
                    try await browser.open(page)
                    #expect(try await browser.text("#state").contains("away since"))
                    try await browser.run("window.isTheSame = true")
                    try await cluster.start()
                    try await browser.eventually("return document.querySelector('#state').innerText") { $0 == "Live" }
                    try await browser.eventually(opacity) { $0 == 1 }
                    #expect(try await browser.run("return window.isTheSame") == true)
                    deployment.ingress.signal(.suspend)
                    try await browser.eventually("#state", says: "No connection to this process since")
                    deployment.ingress.signal(.resume)
                    try await browser.eventually("return document.querySelector('#state').innerText") { $0 == "Live" }
                }
            }
        }
    }

    @Test("by keyboard one skips to the content, sees the focus, finds an event and acts")
    func keyboard() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, environment: Self.token) { deployment in
                try await Browser.with { browser in
                    let page = "http://127.0.0.1:\(deployment.adminPort)/"
                    try await browser.open(page)
                    try await browser.press(.tab)
                    let focus = """
                        const style = getComputedStyle(document.activeElement);
                        return [document.activeElement.innerText, style.outlineStyle, style.outlineWidth].join()
                        """
                    #expect(try await browser.run(focus) == "Skip to content,solid,2px")
                    try await browser.press(.enter)
                    #expect(try await browser.run("return document.activeElement.id") == "main")
                    try await browser.open(page + "login")
                    try await browser.run("document.querySelector('#name').focus()")
                    try await browser.type("Ada", into: "#name")
                    try await browser.press(.tab)
                    #expect(try await browser.run("return document.activeElement.id") == "token")
                    try await browser.type("sesame", into: "#token")
                    try await browser.press(.enter)
                    try await browser.eventually("header", says: "Ada")
                    let unnamed = """
                        return [...document.querySelectorAll("input:not([type=hidden]), textarea")]
                            .filter((input) => !input.labels.length).length
                            + [...document.querySelectorAll("th:not([scope])")].length
                            + ["main", "header", "h1", "html[lang]"].filter((one) => !document.querySelector(one)).length
                        """
                    for path in ["", "act/answer?on=x", "act/limit?on=x", "login", "nowhere"] {
                        try await browser.open(page + path)
                        #expect(try await browser.run(unnamed) == 0, "\(path)")
                    }
                }
            }
        }
    }

    @Test(
        "from a phone's width to a desk's nothing has to be moved sideways, in both colour schemes; texts are legible"
    )
    func appearance() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, environment: Self.token) { deployment in
                try await deployment.withWorker { _ in
                    for node in ["echo", "refuse", "throw"] { _ = try await deployment.call(node, ["id": "1"]) }
                    let rows = try await database.query("select id::text from rejoinder.recent limit 1")
                    let id = try #require(rows.first?.first ?? nil)
                    try await Browser.with { browser in
                        let page = "http://127.0.0.1:\(deployment.adminPort)/"
                        try await self.signIn(browser, page)
                        var grounds: Set<String> = []
                        for (width, scheme) in [(360, "light"), (360, "dark"), (768, "light"), (1280, "dark")] {
                            try await browser.emulate(width: width, scheme: scheme)
                            for path in ["", "event/\(id)", "act/limit?on=echo", "login"] {
                                try await browser.open(page + path)
                                let isWider = try await browser.run(
                                    "return document.documentElement.scrollWidth > window.innerWidth"
                                )
                                #expect(isWider == false, "\(path) at \(width)")
                                let faint = try await browser.run(Self.faintTexts)
                                #expect(faint == [], "\(path) in \(scheme): \(faint)")
                            }
                            let ground = try await browser.run("return getComputedStyle(document.body).backgroundColor")
                            grounds.insert(ground.string ?? "")
                        }
                        #expect(grounds.count == 2)
                    }
                }
                let plain = try await DashboardTests.Client(port: deployment.adminPort).get("/").body
                #expect(plain.contains("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>"))
                #expect(plain.contains("echo"))
            }
        }
    }

    /// The texts whose contrast with what is behind them is under 4.5 (WCAG 2.2, 1.4.3).
    private static let faintTexts = """
        const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = (colour) => {
            const [r, g, b] = parse(colour).slice(0, 3).map((c) => c / 255)
                .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (element) => {
            for (let at = element; at; at = at.parentElement) {
                const colour = getComputedStyle(at).backgroundColor, parts = parse(colour);
                if (parts.length < 4 || parts[3] > 0) return colour;
            }
            return "rgb(255, 255, 255)";
        };
        const faint = [];
        for (const element of document.querySelectorAll("body *")) {
            const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
            if (!hasText || element.closest("script, style, noscript, svg")) continue;
            const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
            if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) faint.push(element.innerText);
        }
        return faint;
        """
}
