/// Damage to JSON documents, most of which makes something else than JSON of them.
package enum JSONMutation {
    /// What readers of JSON stumble over.
    private static let stumblingBlocks: [[UInt8]] = [
        Array(repeating: UInt8(ascii: "["), count: 70), utf8(String(repeating: #"{"":"#, count: 70)),
        utf8(String(repeating: "9", count: 70)), utf8("1e999999999"), utf8("-0.0e-0"), utf8("1E+"), utf8("NaN"),
        utf8(#""\ud800""#), utf8(#""\udc00\ud800""#), utf8(#""\ud83d\ude00""#), utf8(#""\u0000""#), utf8(#""\uD8""#),
        [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0xEF, 0xBB, 0xBF], [0xFF, 0xFE],
        utf8(#""a":1,"a":2,"#), utf8(#""\u0061":1,"#), utf8("//"), utf8(",,"),
    ]

    private static let samples = [
        #"{"a":[1,-2.5e+10,"\ud83d\ude00é",{"b":null}],"c":true,"\u0063d":false}"#,
        #"[["\\\"\u0000",0.0],{"":{"":[]}}, "日本語 עברית 😀"]"#,
    ]

    /// A document with up to three changes: one of these, or of our own.
    package static func document(of seeds: [[UInt8]] = [], _ random: inout SeededGenerator) -> [UInt8] {
        var document = (seeds + Self.samples.map(utf8)).randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...3, using: &random) { Self.mutate(&document, &random) }
        return document
    }

    private static func mutate(_ document: inout [UInt8], _ random: inout SeededGenerator) {
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

    private static func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }
}
