import AsyncHTTPClient
import HaptikWebhook
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A headless Chromium, driven by way of chromedriver: WebDriver is plain HTTP with JSON.
struct Browser: Sendable {
    private static let driver = "/usr/bin/chromedriver"
    private static let client = HTTPClient()

    /// Debian's packages `chromium` and `chromium-driver`.
    static let isInstalled = [driver, "/usr/bin/chromium"].allSatisfy { FileManager.default.fileExists(atPath: $0) }

    /// Where it is missing its tests are left out, but in CI they fail.
    static let isExpected = isInstalled || getenv("CI") != nil

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let driver: String
    private let session: String

    /// Runs a browser while `body` runs.
    static func with(_ body: (Browser) async throws -> Void) async throws {
        guard self.isInstalled else { throw Failure(description: "there is no Chromium: Scripts/install-dependencies") }
        try await self.withDriver { driver in
            var arguments: [JSONValue] = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage"]
            if geteuid() == 0 { arguments.append("--no-sandbox") }
            let made = try await Self.request(
                .POST,
                driver + "/session",
                [
                    "capabilities": [
                        "alwaysMatch": [
                            "goog:chromeOptions": ["args": .array(arguments)],
                            // A click may return before the page that it leads to is there: elements are waited for.
                            "timeouts": ["implicit": 10_000],
                        ]
                    ]
                ]
            )
            let session = made["sessionId"]?.string
            let browser = Browser(driver: driver, session: try #require(session))
            do {
                try await body(browser)
            } catch {
                _ = try? await browser.call(.DELETE, "")
                throw error
            }
            _ = try await browser.call(.DELETE, "")
        }
    }

    /// chromedriver takes a free port of IPv6, and ends where somebody else has the same one of IPv4: then it is started again.
    private static func withDriver(_ body: (String) async throws -> Void) async throws {
        var started: String?
        while started == nil {
            try await Program.with(Self.driver, ["--port=0"]) { program in
                try await TestSupport.eventually("chromedriver has started, or ended") {
                    program.lines.contains { $0.contains("started successfully on port") || $0.contains("Exiting") }
                }
                started = program.lines.first { $0.contains("started successfully on port") }
                guard let line = started else { return }
                try await body("http://127.0.0.1:" + (line.split(separator: " ").last ?? "").filter { $0.isNumber })
            }
        }
    }

    func open(_ url: String) async throws { _ = try await self.call(.POST, "/url", ["url": .string(url)]) }

    var address: String {
        get async throws { try await self.call(.GET, "/url").string ?? "" }
    }

    /// Runs a script in the page; what it returns.
    @discardableResult
    func run(_ script: String) async throws -> JSONValue {
        try await self.call(.POST, "/execute/sync", ["script": .string(script), "args": []])
    }

    /// The text that one sees in the first element.
    func text(_ selector: String) async throws -> String {
        try await self.run("return document.querySelector(`\(selector)`)?.innerText ?? ''").string ?? ""
    }

    /// Clicks on the first element.
    ///
    /// One that the page replaces after it was found, before it is clicked on, is looked for again: WebDriver has then done
    /// nothing.
    func click(_ selector: String) async throws {
        while true {
            do {
                _ = try await self.call(.POST, "/element/\(try await self.element(selector))/click", [:])
                return
            } catch let failure as Failure where failure.description.contains("stale element reference") {}
        }
    }

    func type(_ text: String, into selector: String) async throws {
        let value: JSONValue = ["text": .string(text)]
        _ = try await self.call(.POST, "/element/\(try await self.element(selector))/value", value)
    }

    /// Presses a key, wherever the focus is.
    func press(_ key: Key) async throws {
        let actions: JSONValue = [
            ["type": "keyDown", "value": .string(key.rawValue)], ["type": "keyUp", "value": .string(key.rawValue)],
        ]
        _ = try await self.call(.POST, "/actions", ["actions": [["type": "key", "id": "keys", "actions": actions]]])
    }

    enum Key: String {
        case tab = "\u{E004}"
        case enter = "\u{E007}"
    }

    /// Presses the mouse's button on the first element, and holds it.
    func hold(_ selector: String) async throws {
        let origin: JSONValue = [Self.elementKey: .string(try await self.element(selector))]
        try await self.mouse([
            ["type": "pointerMove", "origin": origin, "x": 0, "y": 0], ["type": "pointerDown", "button": 0],
        ])
    }

    func release() async throws { try await self.mouse([["type": "pointerUp", "button": 0]]) }

    private func mouse(_ actions: JSONValue) async throws {
        _ = try await self.call(
            .POST,
            "/actions",
            ["actions": [["type": "pointer", "id": "mouse", "actions": actions]]]
        )
    }

    /// The name of an element's reference (WebDriver, 12.1).
    private static let elementKey = "element-6066-11e4-a52e-4f735466cecf"

    /// A width in pixels, and a colour scheme.
    func emulate(width: Int, scheme: String) async throws {
        try await self.command(
            "Emulation.setDeviceMetricsOverride",
            ["width": .number("\(width)"), "height": 800, "deviceScaleFactor": 1, "mobile": false]
        )
        let feature: JSONValue = ["name": "prefers-color-scheme", "value": .string(scheme)]
        try await self.command("Emulation.setEmulatedMedia", ["features": [feature]])
    }

    private func command(_ name: String, _ parameters: JSONValue) async throws {
        _ = try await self.call(.POST, "/goog/cdp/execute", ["cmd": .string(name), "params": parameters])
    }

    /// Asks the page until what the script returns is what is expected: for what no event tells of.
    func eventually(_ script: String, for time: Duration = .seconds(20), _ isExpected: (JSONValue) -> Bool) async throws
    {
        let end = ContinuousClock.now + time
        var last = JSONValue.null
        while ContinuousClock.now < end {
            last = try await self.run(script)
            if isExpected(last) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("\(script) is \(String(decoding: last.encoded(), as: UTF8.self))")
    }

    /// Waits until a part of the page says something.
    func eventually(_ selector: String, says text: String) async throws {
        try await self.eventually("return document.querySelector(`\(selector)`)?.innerText ?? ''") {
            $0.string?.contains(text) == true
        }
    }

    private func element(_ selector: String) async throws -> String {
        let found = try await self.call(.POST, "/element", ["using": "css selector", "value": .string(selector)])
        let element = found[Self.elementKey]?.string
        return try #require(element)
    }

    private func call(_ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil) async throws -> JSONValue {
        try await Self.request(method, "\(self.driver)/session/\(self.session)\(path)", body)
    }

    private static func request(_ method: HTTPMethod, _ url: String, _ body: JSONValue?) async throws -> JSONValue {
        var request = HTTPClientRequest(url: url)
        request.method = method
        if let body { request.body = .bytes(ByteBuffer(bytes: body.encoded())) }
        let response = try await Self.client.execute(request, timeout: .seconds(60))
        let bytes = Array((try await response.body.collect(upTo: 16 << 20)).readableBytesView)
        let value = try JSONValue(parsing: bytes)["value"] ?? .null
        guard response.status == .ok else {
            throw Failure(description: "\(url): \(value["message"]?.string ?? "\(value)")")
        }
        return value
    }
}
