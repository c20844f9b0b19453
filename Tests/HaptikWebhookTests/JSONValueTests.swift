import HaptikWebhook
import Testing

@Suite("JSON values")
struct JSONValueTests {
    @Test("literals and parsing make the same values")
    func literals() throws {
        let literal: JSONValue = ["a": [1, -2.5, "x\n", true, nil], "b": [:], "c": []]
        #expect(try JSONValue(parsing: #"{"c":[],"b":{},"a":[1,-2.5,"x\n",true,null]}"#) == literal)
        #expect(literal == .object(["a": .array([1, .number("-2.5"), "x\n", .bool(true), .null]), "b": [:], "c": []]))
        let name = "x"
        #expect(["\(name)y": "\(name)y"] as JSONValue == ["xy": "xy"])
        #expect(["a": 1, "a": 2] as JSONValue == ["a": 2])
    }

    @Test("values are read by key, index and type")
    func accessors() throws {
        let value = try JSONValue(parsing: #"{"s":"t","n":5,"b":true,"a":[1,"2"],"o":{"k":null}}"#)
        #expect(value["s"]?.string == "t")
        #expect(value["n"]?.int == 5)
        #expect(value["n"]?.double == 5)
        #expect(value["b"]?.bool == true)
        #expect(value["a"]?.array?.count == 2)
        #expect(value["a"]?[1]?.string == "2")
        #expect(value["a"]?[2] == nil)
        #expect(value["a"]?[-1] == nil)
        #expect(value["a"]?["x"] == nil)
        #expect(value["o"]?["k"]?.isNull == true)
        #expect(value["missing"] == nil)
        #expect(value["s"]?.int == nil && value["n"]?.string == nil && value["n"]?.bool == nil)
        #expect(value["s"]?.object == nil && value["s"]?.array == nil && value["s"]?.double == nil)
    }

    @Test(
        "a number is an `Int` only if it is one",
        arguments: [
            ("0", 0), ("-0", 0), ("42", 42), ("5.0", 5), ("5e2", 500), ("5.5", nil), ("9223372036854775807", Int.max),
            ("-9223372036854775808", Int.min), ("9223372036854775808", nil), ("1e400", nil), ("1e-400", 0),
        ] as [(String, Int?)]
    )
    func integers(text: String, int: Int?) throws {
        #expect(try JSONValue(parsing: text).int == int)
    }

    @Test("a number keeps its text")
    func exactNumbers() throws {
        for text in ["1.10", "-0", "1E5", "0.1000000000000000055511151231257827", "12345678901234567890", "1e131071"] {
            let value = try JSONValue(parsing: text)
            #expect(value == .number(text))
            #expect(value.encoded() == utf8(text))
        }
        #expect(try JSONValue(parsing: "1e400").double == nil)
        #expect(JSONValue(Double.nan) == .null)
        #expect(JSONValue(1e300).double == 1e300)
    }

    @Test("what is encoded is always valid", arguments: ["", "abc", "1 ", " 1", "01", "1,2", "NaN", "+1", "٣"])
    func invalidNumbers(text: String) {
        #expect(JSONValue.number(text).encoded() == utf8("null"))
    }

    @Test("encoding is compact, sorted and escapes what it must")
    func encoding() {
        let value: JSONValue = ["b": 1, "a": ["\"\\/\u{8}\u{C}\n\r\t\u{0}\u{1F}\u{7F}é😀\u{2028}"], "": nil]
        let text = #"{"":null,"a":["\"\\/\u0008\u000c\n\r\t\u0000\u001f"# + "\u{7F}é😀\u{2028}" + #""],"b":1}"#
        #expect(String(decoding: value.encoded(), as: UTF8.self) == text)
    }

    @Test("strings are unescaped")
    func unescaping() throws {
        let value = try JSONValue(parsing: #"["\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00\u20AC", "é😀"]"#)
        #expect(value[0]?.string == "\"\\/\u{8}\u{C}\n\r\t\u{0}é😀€")
        #expect(value[1]?.string == "é😀")
    }

    @Test("a description shows no contents")
    func descriptions() {
        let values: [JSONValue] = [nil, true, 4711, "secret", ["secret"], ["secret": "secret"]]
        let shown = values.map(\.description)
        #expect(!shown.joined().contains("secret"))
        #expect(shown[4] == "JSON array (count: 1)")
        #expect(values[5].debugDescription == #"{"secret":"secret"}"#)
    }
}
