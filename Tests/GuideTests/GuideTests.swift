import Testing

@Suite("the guides")
struct GuideTests {
    /// The lines of a file without their indentation, and without empty ones.
    private static func lines(_ path: String) throws -> [String] {
        try Pages.text(path)
            .split(whereSeparator: \.isNewline)
            .map { String($0.drop(while: \.isWhitespace)) }
            .filter { !$0.isEmpty }
    }

    /// The Swift code of a page, block by block.
    private static func samples(_ path: String) throws -> [[String]] {
        var samples: [[String]] = []
        var isInside = false
        for line in try self.lines(path) {
            if line == "```swift" {
                samples.append([])
                isInside = true
            } else if line.hasPrefix("```") {
                isInside = false
            } else if isInside {
                samples[samples.count - 1].append(line)
            }
        }
        return samples
    }

    @Test("every Swift sample of a page stands in a source that is compiled")
    func samples() throws {
        let pages =
            try ["README.md"] + Pages.files(under: "Documentation", ending: ".md")
            + Pages.files(under: "Sources", ending: ".md")
        let sources = try ["Examples", "Tests/GuideTests", "Tests/RejoinderTestingTests"]
            .flatMap { try Pages.files(under: $0, ending: ".swift") }
            .map(Self.lines)
        var found = 0
        for page in pages {
            for sample in try Self.samples(page) {
                found += 1
                // A package of the reader's own lies beside the checkout, the one that is compiled within it.
                let compiled = sample.map { $0.replacing(#""../rejoinder""#, with: #""../..""#) }
                #expect(
                    sources.contains { $0.contains(compiled) },
                    "\(page) shows what no source has:\n\(sample.joined(separator: "\n"))"
                )
            }
        }
        #expect(found >= 10)
    }
}
