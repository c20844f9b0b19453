import Foundation
import FuzzInput
import HaptikWebhook
import Testing

@Suite("Random input")
struct JSONFuzzTests {
    @Test("mutated documents crash nothing, and both readers agree on them", arguments: SeededGenerator.seeds(4))
    func mutations(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        for _ in 0..<600 { try expectAgreement(JSONMutation.document(of: [sampleBody, newerBody], &random)) }
    }

    @Test("random bytes crash nothing", arguments: SeededGenerator.seeds(2, from: 5))
    func noise(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let alphabet = utf8("{}[]\",:\\u0019dDaAeE+-. \n") + [0x00, 0x1F, 0x80, 0xC2, 0xE2, 0xED, 0xF0, 0xFF]
        for _ in 0..<1000 {
            let count = Int.random(in: 0..<24, using: &random)
            try expectAgreement((0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 })
            try expectAgreement((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
    }

    @Test("a value survives encoding and parsing", arguments: SeededGenerator.seeds(2, from: 7))
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
            // What is strict enough for us is so for others.
            #expect(throws: Never.self, "\(document)") {
                try JSONSerialization.jsonObject(with: Data(document), options: .fragmentsAllowed)
            }
        }
        let event = try? WebhookEvent(parsing: document)
        #expect(event?.node == (try? Envelope(checking: document))?.node)
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
