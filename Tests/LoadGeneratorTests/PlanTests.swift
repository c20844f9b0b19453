import HaptikWebhook
import NIOCore
import Testing

@testable import LoadGenerator

@Suite("templates and schedules")
struct PlanTests {
    @Test(
        "the placeholder is the call's number, wherever and however often it stands",
        arguments: [
            ("", ""), ("a", "a"), ("{{n}}", "42"), ("a{{n}}b{{n}}", "a42b42"), ("{{n}}{{n}}c", "4242c"),
            ("{{ n }}{{n}", "{{ n }}{{n}"), ("{{{n}}}", "{42}"),
        ]
    )
    func template(_ template: String, _ text: String) {
        let template = Template(template)
        var buffer = ByteBuffer()
        template.write("42", to: &buffer)
        #expect(String(buffer: buffer) == text)
        #expect(template.count(digits: 2) == text.utf8.count)
    }

    @Test(
        "a reply is right when it contains the text with its call's number",
        arguments: [
            ("<{{n}}>", "a<42>b", true), ("<{{n}}>", "<42>", true), ("<{{n}}>", "<<42>", true),
            ("<{{n}}>", "<41>", false),
            ("<{{n}}>", "<42", false), ("<{{n}}>", "", false), ("", "", true), ("ok", "not ok", true),
            ("{{n}}!", "x42!", true), ("{{n}}{{n}}", "4242", true), ("", "a", true),
            ("{{n}}!", "442!", false), ("order {{n}}", "order 423", false),
            ("order {{n}}", "order 423, order 42.", true),
            ("{{n}}{{n}}", "424242", false), ("a{{n}}b", "1a42b2", true),
        ]
    )
    func expectation(_ template: String, _ reply: String, _ isRight: Bool) {
        #expect(Template(template).isContained(in: ByteBuffer(string: reply), number: "42") == isRight)
    }

    @Test("a request is whole, and signed over its body", arguments: [false, true])
    func request(closing: Bool) throws {
        let signer = try SignatureVerifier(algorithm: .sha256, secrets: ["secret", "old"])
        let target = try LoadTarget(url: "http://localhost:8080/a?b=c")
        let body = Template("{\"n\":{{n}}}")
        var renderer = RequestRenderer(target, body: body, signer: signer, closing: closing)
        for number in [7, 1234] {
            let body = "{\"n\":\(number)}"
            let request = renderer.request("\(number)")
            #expect(
                String(buffer: request) == """
                    POST /a?b=c HTTP/1.1\r
                    Host: localhost:8080\r
                    User-Agent: rejoinder-load\r
                    Content-Type: application/json\r
                    \(closing ? "Connection: close\r\n" : "")\
                    X-Hub-Signature: \(signer.header(for: Array(body.utf8)))\r
                    Content-Length: \(body.utf8.count)\r
                    \r
                    \(body)
                    """
            )
        }
    }

    @Test("a URL's parts go where HTTP wants them")
    func target() throws {
        let plain = try LoadTarget(url: "http://example.com")
        #expect(plain.port == 80)
        #expect(plain.path == "/")
        #expect(plain.authority == "example.com")
        let secure = try LoadTarget(url: "https://[::1]:8443/a%20b?c=d")
        #expect(secure.isSecure)
        #expect(secure.host == "::1")
        #expect(secure.port == 8443)
        #expect(secure.path == "/a%20b?c=d")
        #expect(secure.authority == "[::1]:8443")
    }

    @Test("calls are due at a constant rate, and none after the end")
    func schedule() {
        var schedule = Schedule(rate: 4, end: 1_000_000_000)
        var due: [UInt64] = []
        let early = schedule.take(by: 0)
        #expect(early == 0)
        let tooEarly = schedule.take(by: 249_999_999)
        #expect(tooEarly == nil)
        #expect(schedule.next == 250_000_000)
        while let next = schedule.take(by: 10_000_000_000) { due.append(next) }
        #expect(due == [250_000_000, 500_000_000, 750_000_000])
        #expect(schedule.next == nil)
    }

    @Test("a rate that divides no second doesn't drift")
    func noDrift() {
        var schedule = Schedule(rate: 3000, end: 60_000_000_000)
        var count = 0
        while schedule.take(by: .max) != nil { count += 1 }
        #expect(count == 180_000)
    }
}
