import Testing

@testable import Dashboard

@Suite("Figures and addresses")
struct FigureTests {
    @Test("numbers are as short as they are exact")
    func figures() {
        #expect(
            [0, 999, 1000, 1_234_567, -12_345].map { Figure.count($0) } == [
                "0", "999", "1,000", "1,234,567", "−12,345",
            ]
        )
        #expect(
            [0, 0.004, 0.25, 1, 4.26, 99.96, 1234.4].map { Figure.rate($0) } == [
                "0", "0.00", "0.25", "1", "4.3", "100", "1,234",
            ]
        )
        let times: [Double] = [0.84, 12.4, 999.6, 1234, 28_700, 180_000, 9_000_000, 345_600_000, -1500]
        let expected = ["0.8 ms", "12 ms", "1.0 s", "1.2 s", "29 s", "3 min", "2.5 h", "4 d", "−1.5 s"]
        #expect(times.map { Figure.time($0) } == expected)
        #expect(Figure.share(0, of: 0) == "–")
        #expect(Figure.share(9_999_999, of: 10_000_000) == "99.9 %")
        #expect(Figure.share(1, of: 10_000_000) == "0.1 %")
        #expect(Figure.share(5, of: 5) == "100 %")
    }

    @Test(
        "what is written into an address or a form is read from it again",
        arguments: ["a b+c&d=e%/é😀\"<", "", "%zz", "%"]
    )
    func addresses(_ text: String) {
        let encoded = URLText.encoded(text)
        #expect(URLText.fields("x=1&on=\(encoded)") == ["x": "1", "on": text])
        #expect(encoded.utf8.allSatisfy { $0 > 32 && $0 < 127 })
    }

    @Test("forms that are malformed are read as they are")
    func forms() {
        #expect(URLText.fields("a&b=&c=1=2&c=3+4&%") == ["a": "", "b": "", "c": "3 4", "%": ""])
        #expect(URLText.decoded("%FF") == "\u{FFFD}")
    }

    @Test("times of day are those of UTC")
    func times() {
        let time = WallTime(milliseconds: 1_795_423_384_089)
        #expect(time.clock == "08:43:04")
        #expect(time.iso == "2026-11-23T08:43:04Z")
    }
}
