import HaptikWebhook
import TestSupport
import Testing

/// The dashboard in use: nothing jumps while one reads, the keyboard is enough to act, and an event's life is all there.
@Suite("the dashboard in use", .serialized, .enabled(if: Browser.isExpected), .timeLimit(.minutes(10)))
struct DashboardUseTests {
    /// Adds up what moved without the reader's doing (Layout Instability API), and counts the page's updates.
    private static let observe = """
        window.shifts = 0;
        window.updates = 0;
        new PerformanceObserver((list) => {
            for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifts += shift.value;
        }).observe({ type: "layout-shift", buffered: true });
        new MutationObserver(() => { window.updates += 1; })
            .observe(document.querySelector("#stamp"), { childList: true, subtree: true, characterData: true });
        """

    @Test("nothing jumps while calls come in, and the first that go wrong", arguments: [1280, 400])
    func layoutShifts(width: Int) async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.call("echo", ["id": "1"]).status == 200)
                    try await Browser.with { browser in
                        try await browser.emulate(width: width, scheme: "light")
                        try await browser.open("http://127.0.0.1:\(deployment.adminPort)/")
                        try await browser.eventually("#queue", says: "echo")
                        try await browser.run(Self.observe)
                        let load = Task {
                            while !Task.isCancelled { _ = try await deployment.call("echo", ["id": "1", "ms": "20"]) }
                        }
                        defer { load.cancel() }
                        try await browser.eventually("return window.updates") { $0.int ?? 0 >= 2 }
                        #expect(try await deployment.call("refuse").status == 400)
                        let unsigned = try await deployment.post(Deployment.body("echo"), signature: "sha1=00")
                        #expect(unsigned.status == 401)
                        try await browser.eventually("#failures", says: "refused")
                        try await browser.eventually("#incidents", says: "signature")
                        try await browser.eventually("return window.updates") { $0.int ?? 0 >= 5 }
                        let shifts = try await browser.run("return Math.round(window.shifts * 1000)")
                        #expect(shifts.int ?? 1000 < 100, "\(shifts)")
                        // That it would have been seen:
                        try await browser.run(
                            """
                            const block = document.createElement("div");
                            block.style.height = "400px";
                            document.querySelector("#main").prepend(block);
                            """
                        )
                        try await browser.eventually("return Math.round(window.shifts * 1000)") {
                            $0.int ?? 0 >= (shifts.int ?? 0) + 100
                        }
                    }
                }
            }
        }
    }

    @Test("by keyboard alone one signs in, comes to a node's Pause, and does it")
    func keyboard() async throws {
        try await TestCluster.withDatabase { database in
            let environment = ["REJOINDER_OPERATOR_TOKEN": "sesame"]
            try await Deployment.with(database, environment: environment) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.call("echo", ["id": "1"]).status == 200)
                    try await Browser.with { browser in
                        try await browser.open("http://127.0.0.1:\(deployment.adminPort)/")
                        try await self.tab(browser, to: "document.activeElement.innerText === 'Sign in'")
                        try await browser.press(.enter)
                        try await browser.eventually("h1", says: "Sign in")
                        try await self.tab(browser, to: "document.activeElement.id === 'name'")
                        try await browser.type("Ada", into: ":focus")
                        try await self.tab(browser, to: "document.activeElement.id === 'token'")
                        try await browser.type("sesame", into: ":focus")
                        try await browser.press(.enter)
                        try await browser.eventually("header", says: "Ada")
                        try await browser.eventually("#queue", says: "Pause")
                        try await self.tab(
                            browser,
                            to: "document.activeElement.getAttribute('aria-label') === 'Pause echo'"
                        )
                        try await browser.press(.enter)
                        try await browser.eventually("h1", says: "Pause a node")
                        try await self.tab(browser, to: "document.activeElement.matches('form.sheet button')")
                        try await browser.press(.enter)
                        try await browser.eventually(".notice", says: "Node echo is paused.")
                    }
                    #expect(try await deployment.call("echo", ["id": "2"]).code == "paused")
                    let done = try await database.query("select actor, via, action, target from rejoinder.audit")
                    #expect(done == [["Ada", "dashboard", "pause", "echo"]])
                }
            }
        }
    }

    /// Presses Tab until what has the focus is what is looked for.
    private func tab(_ browser: Browser, to condition: String) async throws {
        for _ in 0..<80 {
            if try await browser.run("return \(condition)") == true { return }
            try await browser.press(.tab)
        }
        Issue.record("Tab does not lead to \(condition)")
    }

    @Test("an event's page has the six steps of its life, when each was and whose doing")
    func life() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { _ in
                    #expect(try await deployment.call("echo", ["id": "1", "ms": "30"]).status == 200)
                    let rows = try await database.query("select id::text from rejoinder.recent limit 1")
                    let id = try #require(rows.first?.first ?? nil)
                    try await Browser.with { browser in
                        try await browser.open("http://127.0.0.1:\(deployment.adminPort)/event/\(id)")
                        try await browser.eventually("#life", says: "replied")
                        let life = try await browser.run(
                            """
                            return [...document.querySelectorAll("#life tbody tr")].map((row) => [
                                row.querySelector("th").innerText,
                                row.querySelector("[data-label=After]").innerText,
                                row.querySelector("[data-label=By]").innerText,
                                row.querySelector("[data-label=Detail]").innerText,
                            ])
                            """
                        )
                        let steps = (life.array ?? []).map { step in (step.array ?? []).map { $0.string ?? "" } }
                        #expect(
                            steps.map(\.first) == [
                                "received", "enqueued", "claimed", "handled", "answered", "replied",
                            ],
                            "\(steps)"
                        )
                        try #require(steps.count == 6 && steps.allSatisfy { $0.count == 4 })
                        #expect(steps.allSatisfy { $0[1].contains("ms") && !$0[2].isEmpty }, "\(steps)")
                        #expect(steps[2...4].allSatisfy { $0[2].contains("ScriptedWorker") }, "\(steps)")
                        #expect(Set([steps[0][2], steps[1][2], steps[5][2]]).count == 1, "\(steps)")
                        #expect(steps[2][3].contains("attempt 1") && steps[3][3].contains("the handler took "))
                        #expect(steps[5][3] == "status 200")
                    }
                }
            }
        }
    }
}
