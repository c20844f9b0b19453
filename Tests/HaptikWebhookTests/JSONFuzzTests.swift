import HaptikWebhook
import Testing

@Suite("Random input")
struct JSONFuzzTests {
    @Test("mutated documents crash nothing, and both readers agree on them", arguments: 1...4 as ClosedRange<UInt64>)
    func mutations(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let seeds = [
            sampleBody, newerBody, utf8(#"{"a":[1,-2.5e+10,"\ud83d\ude00é",{"b":null}],"c":true,"\u0063d":false}"#),
            utf8(#"[["\\\"\u0000",0.0],{"":{"":[]}}, "日本語 עברית 😀"]"#),
        ]
        for _ in 0..<600 {
            var document = seeds.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                mutate(&document, &random)
            }
            try expectAgreement(document)
        }
    }

    @Test("random bytes crash nothing", arguments: [5, 6] as [UInt64])
    func noise(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let alphabet = utf8("{}[]\",:\\u0019dDaAeE+-. \n") + [0x00, 0x1F, 0x80, 0xC2, 0xE2, 0xED, 0xF0, 0xFF]
        for _ in 0..<1000 {
            let count = Int.random(in: 0..<24, using: &random)
            try expectAgreement((0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 })
            try expectAgreement((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
    }

    @Test("a value survives encoding and parsing", arguments: [7, 8] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        for _ in 0..<200 {
            let value = randomValue(depth: 4, &random)
            let encoded = value.encoded()
            let parsed = try JSONValue(parsing: encoded)
            #expect(parsed == value)
            #expect(parsed.encoded() == encoded)
        }
    }

    @Test("every proper beginning of a document is refused")
    func truncation() {
        for count in 0..<newerBody.count {
            let beginning = Array(newerBody.prefix(count))
            #expect(treeVerdict(beginning) != nil)
            #expect(envelopeVerdict(beginning) != nil)
        }
    }

    private func expectAgreement(_ document: [UInt8]) throws {
        let verdict = treeVerdict(document)
        #expect(envelopeVerdict(document) == verdict?.description, "\(document)")
        if let verdict {
            #expect(0...document.count ~= verdict.offset)
        } else {
            #expect(String(validating: document, as: UTF8.self) != nil, "\(document)")
            let value = try JSONValue(parsing: document)
            #expect(try JSONValue(parsing: value.encoded()) == value, "\(document)")
        }
        let event = try? WebhookEvent(parsing: document)
        #expect(event?.node == (try? Envelope(checking: document))?.node)
    }

    /// What readers of JSON stumble over.
    private static let stumblingBlocks: [[UInt8]] = [
        Array(repeating: UInt8(ascii: "["), count: 70), utf8(String(repeating: #"{"":"#, count: 70)),
        utf8(String(repeating: "9", count: 70)), utf8("1e999999999"), utf8("-0.0e-0"), utf8("1E+"), utf8("NaN"),
        utf8(#""\ud800""#), utf8(#""\udc00\ud800""#), utf8(#""\ud83d\ude00""#), utf8(#""\u0000""#), utf8(#""\uD8""#),
        [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0xEF, 0xBB, 0xBF], [0xFF, 0xFE],
        utf8(#""a":1,"a":2,"#), utf8(#""\u0061":1,"#), utf8("//"), utf8(",,"),
    ]

    private func mutate(_ document: inout [UInt8], _ random: inout SeededGenerator) {
        guard let index = document.indices.randomElement(using: &random) else { return }
        let other = document.indices.randomElement(using: &random) ?? index
        switch Int.random(in: 0..<8, using: &random) {
        case 0: document[index] = UInt8.random(in: 0...255, using: &random)
        case 1: document[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: document.remove(at: index)
        case 3: document.insert(utf8("{}[]\",:\\0e").randomElement(using: &random) ?? 0, at: index)
        case 4: document.swapAt(index, other)
        case 5: document.removeSubrange(min(index, other)..<max(index, other))
        case 6: document.insert(contentsOf: Self.stumblingBlocks.randomElement(using: &random) ?? [], at: index)
        default: document.insert(contentsOf: document[min(index, other)..<max(index, other)], at: index)
        }
    }

    private func randomValue(depth: Int, _ random: inout SeededGenerator) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
        case 0: return nil
        case 1: return .bool(.random(using: &random))
        case 2: return JSONValue(Int(truncatingIfNeeded: random.next()))
        case 3: return JSONValue(Double(bitPattern: random.next()))
        case 4: return .string(randomText(&random))
        case 5:
            let count = Int.random(in: 0..<5, using: &random)
            return .array((0..<count).map { _ in randomValue(depth: depth - 1, &random) })
        default:
            var members: [String: JSONValue] = [:]
            for _ in 0..<Int.random(in: 0..<20, using: &random) {
                members[randomText(&random)] = randomValue(depth: depth - 1, &random)
            }
            return .object(members)
        }
    }

    private func randomText(_ random: inout SeededGenerator) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0..<12, using: &random) {
            let limit: UInt32 = [0x20, 0x80, 0x800, 0x11_0000].randomElement(using: &random) ?? 0x80
            if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &random)) {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
