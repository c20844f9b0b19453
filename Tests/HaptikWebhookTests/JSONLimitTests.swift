import HaptikWebhook
import Testing

@Suite("The limits of JSON")
struct JSONLimitTests {
    @Test("64 levels are accepted, 65 are not")
    func depth() {
        func arrays(_ depth: Int) -> [UInt8] {
            utf8(String(repeating: "[", count: depth) + String(repeating: "]", count: depth))
        }
        func objects(_ depth: Int) -> [UInt8] {
            utf8(String(repeating: #"{"a":"#, count: depth) + "0" + String(repeating: "}", count: depth))
        }
        #expect(treeVerdict(arrays(64)) == nil)
        #expect(treeVerdict(objects(64)) == nil)
        expectRefusal(of: arrays(65), .tooDeep, at: 64)
        expectRefusal(of: objects(65), .tooDeep, at: 64 * 5)
        expectRefusal(of: Array(repeating: UInt8(ascii: "["), count: 1_000_000), .tooDeep, at: 64)
        let siblings = "[" + String(repeating: "[[]],", count: 1000) + "[]]"
        #expect(treeVerdict(utf8(siblings)) == nil, "levels that are closed don't add up")
    }

    @Test(
        "a number of 64 characters is accepted, one of 65 is not",
        arguments: ["", "-", "0.", "1e", "-1.5E+"]
    )
    func numbers(prefix: String) {
        let longest = prefix + String(repeating: "1", count: 64 - prefix.count)
        #expect(treeVerdict(utf8(longest)) == nil)
        #expect(treeVerdict(utf8("[\(longest)]")) == nil)
        expectRefusal(of: utf8("[\(longest)1]"), .numberTooLong, at: 1)
    }

    @Test(
        "a key that occurs twice in one object is refused",
        arguments: [
            (#"{"a":1,"a":1}"#, 7), (#"{"a":1,"b":2,"a":3}"#, 13), (#"{"":1,"":2}"#, 6),
            (#"{"a":1,"\u0061":2}"#, 7), (#"{"\u0061":1,"a":2}"#, 12), (#"{"\n":1,"\u000a":2}"#, 8),
            (#"{"\u000a":1,"\u000A":2}"#, 12), (#"{"/":1,"\/":2}"#, 7), (#"{"😀":1,"\ud83d\ude00":2}"#, 10),
            (#"[{"x":{"a":1,"a":2}}]"#, 13), (#"{"b":{"a":1},"a":1,"b":2}"#, 19), (#"{"\u0000":1,"\u0000":2}"#, 12),
            (#"{"aaaaaaaaaaaaaaaaaaaaaaaa":1,"aaaaaaaaaaaaaaaaaaaaaaaa":2}"#, 30),
        ]
    )
    func duplicates(text: String, offset: Int) {
        expectRefusal(of: utf8(text), .duplicateKey, at: offset)
    }

    @Test("keys that Swift cannot tell apart are duplicates")
    func canonicalEquivalence() {
        expectRefusal(of: utf8("{\"\u{E9}\":1,\"e\u{301}\":2}"), .duplicateKey, at: 8)
        expectRefusal(of: utf8("{\"K\":1,\"\u{212A}\":2}"), .duplicateKey, at: 7)
        #expect(treeVerdict(utf8("{\"e\":1,\"e\u{301}\":2}")) == nil)
    }

    @Test("a duplicate is found among any number of keys", arguments: [2, 11, 12, 13, 14, 100, 5000])
    func manyKeys(count: Int) {
        let members = (0..<count).map { "\"key\($0)\":0" }
        let valid = "{" + members.joined(separator: ",") + "}"
        #expect(treeVerdict(utf8(valid)) == nil)
        for repeated in [0, count / 2, count - 1] {
            expectRefusal(of: utf8(valid.dropLast() + ",\"key\(repeated)\":0}"), .duplicateKey, at: valid.utf8.count)
        }
    }

    @Test("an object of 50,000 keys is read")
    func manyMembers() throws {
        let plain = "{" + (0..<50_000).map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        #expect(try JSONValue(parsing: plain).object?.count == 50_000)
        expectRefusal(of: utf8(plain.dropLast() + ",\"7\":0}"), .duplicateKey, at: plain.utf8.count)
        let escaped = "{" + (0..<10_000).map { "\"\\u0061\($0)\":0" }.joined(separator: ",") + "}"
        #expect(try JSONValue(parsing: escaped).object?.count == 10_000)
        let nested = "[" + (0..<10_000).map { "{\"a\":\($0),\"b\":0}" }.joined(separator: ",") + "]"
        #expect(try JSONValue(parsing: nested).array?.count == 10_000)
    }

    @Test("a key beyond ASCII may have 512 bytes, a plain one any number")
    func longKeys() {
        let marks = String(repeating: "\u{301}", count: 255)
        #expect(treeVerdict(utf8("{\"ab\(marks)\":0}")) == nil)
        expectRefusal(of: utf8("{\"abc\(marks)\":0}"), .keyTooLong, at: 2)
        #expect(treeVerdict(utf8("{\"\\n\(String(repeating: "a", count: 511))\":0}")) == nil)
        expectRefusal(of: utf8("{\"\\n\(String(repeating: "a", count: 512))\":0}"), .keyTooLong, at: 2)
        // Escapes don't count: three bytes of UTF-8 for six.
        #expect(treeVerdict(utf8("{\"\(String(repeating: "\\u0915", count: 170))\":0}")) == nil)
        expectRefusal(of: utf8("{\"\(String(repeating: "\\u0915", count: 171))\":0}"), .keyTooLong, at: 2)
        expectRefusal(of: utf8("{\"\(String(repeating: "\\u0061", count: 513))\":0}"), .keyTooLong, at: 2)
        #expect(treeVerdict(utf8("{\"\(String(repeating: "a", count: 100_000))\":0}")) == nil)
    }
}
