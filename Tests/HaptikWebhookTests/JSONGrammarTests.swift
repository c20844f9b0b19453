import HaptikWebhook
import Testing

@Suite("Strict JSON")
struct JSONGrammarTests {
    @Test(
        "a valid document is accepted",
        arguments: [
            "{}", "[]", " [ ] ", "\t{\r\n}\n", "null", "true", "false", "0", "-0", "1", "-1", "1.5", "-0.0", "10",
            "0e0", "1e5", "1E+5", "1e-5", "0.1e+00", "123456789012345678901234567890", "1e131071", #""""#, #""a""#,
            #""\"\\\/\b\f\n\r\t""#, #""\u0000""#, #""\u00e9\u00E9""#, #""\ud83d\ude00""#, #""\uD83D\uDE00""#,
            #""\uFFFE\uffff""#, #""\udbff\udfff""#, "\"\u{7F}\"", "\"\u{80}é\u{2028}\u{2029}\u{FEFF}😀\u{10FFFF}\"",
            #"{"a":1,"b":2}"#, #"{"":0}"#, #"{"a":{"a":{"a":1}},"b":{"a":2}}"#, #"[{"a":1},{"a":1}]"#,
            #"{"a":1,"A":2}"#, #"{"a":1,"a ":2}"#, "[1,2,[3,[4]],{}]", "[[],[[]],[[],[]]]", #"[""]"#,
            #" { "a" : [ 1 , true , null ] } "#, #"{"\u0000":0,"":1}"#, #"["\\u"]"#, #"["\\\\"]"#,
        ]
    )
    func valid(text: String) throws {
        let value = try JSONValue(parsing: text)
        #expect(try JSONValue(parsing: value.encoded()) == value)
        #expect(envelopeVerdict(utf8(text)) == nil)
    }

    @Test(
        "a text that breaks the grammar is refused where it does",
        arguments: [
            ("[1,]", .syntax, 3), (#"{"a":1,}"#, .syntax, 7), ("[,1]", .syntax, 1), ("[1,,2]", .syntax, 3),
            ("[1 2]", .syntax, 3), (#"{"a" 1}"#, .syntax, 5), (#"{"a":1 "b":2}"#, .syntax, 7), (#"{"a"}"#, .syntax, 4),
            (#"{"a":}"#, .syntax, 5), ("{a:1}", .syntax, 1), ("{'a':1}", .syntax, 1), ("{1:1}", .syntax, 1),
            ("{null:1}", .syntax, 1), ("{,}", .syntax, 1), ("]", .syntax, 0), ("}", .syntax, 0), ("[}", .syntax, 1),
            ("{]", .syntax, 1), ("[1}", .syntax, 2), (#"{"a":1]"#, .syntax, 6), (":", .syntax, 0), ("'a'", .syntax, 0),
            ("01", .syntax, 1), ("-01", .syntax, 2), ("00", .syntax, 1), ("+1", .syntax, 0), (".5", .syntax, 0),
            ("-.5", .syntax, 1), ("[1.]", .syntax, 3), ("[1.e5]", .syntax, 3), ("[1e]", .syntax, 3),
            ("[1e+]", .syntax, 4), ("[-]", .syntax, 2), ("[--1]", .syntax, 2), ("[1e5.5]", .syntax, 4),
            ("[0x1F]", .syntax, 2), ("[1_000]", .syntax, 2), ("[1.2.3]", .syntax, 4), ("[-a]", .syntax, 2),
            ("NaN", .syntax, 0), ("Infinity", .syntax, 0), ("-Infinity", .syntax, 1), ("nul", .syntax, 0),
            ("nulL", .syntax, 0), ("True", .syntax, 0), ("tru]", .syntax, 0), ("fals", .syntax, 0),
            ("[truefalse]", .syntax, 5), ("[nulll]", .syntax, 5), ("// c\n1", .syntax, 0), ("[/**/1]", .syntax, 1),
            ("[1] // c", .trailingText, 4), ("é", .syntax, 0), ("[\u{A0}1]", .syntax, 1), ("[1\u{B}]", .syntax, 2),
            ("[\u{C}1]", .syntax, 1), ("\u{2028}1", .syntax, 0),
            ("1 2", .trailingText, 2), ("{}{}", .trailingText, 2), ("[]]", .trailingText, 2), ("{}x", .trailingText, 2),
            (#""a""b""#, .trailingText, 3), ("1\u{0}", .notUTF8, 1), ("null\u{0}", .trailingText, 4),
            ("0 é", .trailingText, 2),
            ("[", .unexpectedEnd, 1), ("{", .unexpectedEnd, 1), ("[1", .unexpectedEnd, 2), ("[1,", .unexpectedEnd, 3),
            (#"{"a""#, .unexpectedEnd, 4), (#"{"a":"#, .unexpectedEnd, 5), (#"{"a":1"#, .unexpectedEnd, 6),
            (#"{"a":1,"#, .unexpectedEnd, 7), (#"{"a"#, .unexpectedEnd, 3), (#"""#, .unexpectedEnd, 1),
            (#""abc"#, .unexpectedEnd, 4), (#""\"#, .unexpectedEnd, 2), (#""\u12"#, .unexpectedEnd, 5),
            ("-", .unexpectedEnd, 1), ("1.", .unexpectedEnd, 2), ("1e", .unexpectedEnd, 2), ("1e-", .unexpectedEnd, 3),
            (" \n\t\r ", .emptyDocument, 0), ("", .emptyDocument, 0),
        ] as [(String, JSONError.Code, Int)]
    )
    func grammar(text: String, code: JSONError.Code, offset: Int) {
        expectRefusal(of: utf8(text), code, at: offset)
    }

    @Test(
        "a string that breaks the rules is refused",
        arguments: [
            (#""\a""#, .invalidEscape, 1), (#""\'""#, .invalidEscape, 1),
            (#""\x41""#, .invalidEscape, 1), (#""\U0041""#, .invalidEscape, 1), (#""\ ""#, .invalidEscape, 1),
            (#""\u12G4""#, .invalidEscape, 1), (#""\u+123""#, .invalidEscape, 1), (#""\u 123""#, .invalidEscape, 1),
            (#""\u{41}""#, .invalidEscape, 1), (#""\é""#, .invalidEscape, 1), (#""\0""#, .invalidEscape, 1),
            (#""\u123""#, .invalidEscape, 1), (#"["\u123"]"#, .invalidEscape, 2),
            (#""\ud800""#, .loneSurrogate, 1), (#""\udc00""#, .loneSurrogate, 1),
            (#""\ud83d\ud83d""#, .loneSurrogate, 1),
            (#""\ude00\ud83d""#, .loneSurrogate, 1), (#""\ud83dx\ude00""#, .loneSurrogate, 1),
            (#""\ud83d\n\ude00""#, .loneSurrogate, 1), (#""\ud83d\u0041""#, .loneSurrogate, 1),
            (#""\ud83d\u""#, .unexpectedEnd, 10), (#"["\ud83d\u12 "]"#, .invalidEscape, 8),
            (#""a\ud83d\ude00\ude00""#, .loneSurrogate, 14), (#"{"\ud800":1}"#, .loneSurrogate, 2),
        ] as [(String, JSONError.Code, Int)]
    )
    func strings(text: String, code: JSONError.Code, offset: Int) {
        expectRefusal(of: utf8(text), code, at: offset)
    }

    @Test("a control character must be escaped")
    func controlCharacters() {
        for byte in 0..<0x20 as Range<UInt8> {
            expectRefusal(of: utf8("[\"") + [byte] + utf8("\"]"), .controlCharacter, at: 2)
            expectRefusal(of: utf8("[\"12345678") + [byte] + utf8("12345678\"]"), .controlCharacter, at: 10)
        }
        #expect(treeVerdict([0x22, 0x7F, 0x22]) == nil)
    }

    @Test(
        "bytes that are not UTF-8 are refused, within a string and outside",
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xE0, 0x80, 0xAF],
            [0xE0, 0x9F, 0xBF], [0xE2, 0x82], [0xE2, 0x82, 0x41], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
            [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80], [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF0, 0x9F, 0x98], [0xF0, 0x9F, 0x98, 0x41], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
            [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80], [0xFE], [0xFF],
        ] as [[UInt8]]
    )
    func notUTF8(bytes: [UInt8]) {
        expectRefusal(of: utf8("\"") + bytes + utf8("\""), .notUTF8, at: 1)
        expectRefusal(of: utf8("\"1234567é") + bytes + utf8("90123456\""), .notUTF8, at: 10)
        expectRefusal(of: utf8("{\"") + bytes + utf8("\":1}"), .notUTF8, at: 2)
        expectRefusal(of: utf8("[") + bytes + utf8("]"), .notUTF8, at: 1)
        expectRefusal(of: utf8("\"") + bytes, .notUTF8, at: 1)
    }

    @Test("UTF-16, UTF-32 and byte order marks are refused")
    func encodings() {
        let text = #"{"a":"é"}"#
        let bigEndian = text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        let littleEndian = text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        expectRefusal(of: [0xEF, 0xBB, 0xBF] + utf8(text), .byteOrderMark, at: 0)
        expectRefusal(of: [0xEF, 0xBB, 0xBF], .byteOrderMark, at: 0)
        expectRefusal(of: [0xEF, 0xBB], .notUTF8, at: 0)
        expectRefusal(of: bigEndian, .notUTF8, at: 0)
        expectRefusal(of: littleEndian, .notUTF8, at: 1)
        expectRefusal(of: [0xFE, 0xFF] + bigEndian, .notUTF8, at: 0)
        expectRefusal(of: [0xFF, 0xFE] + littleEndian, .notUTF8, at: 0)
        expectRefusal(of: text.unicodeScalars.flatMap { [0, 0, 0, UInt8($0.value)] }, .notUTF8, at: 0)
    }

    @Test("every error says what and where in words, and quotes nothing")
    func text() {
        let error = treeVerdict(utf8(#"{"password":hunter2}"#))
        #expect(error?.description == "a value was expected (at byte 12)")
    }
}

/// Expects that the tree and the envelope refuse a document for the same reason.
func expectRefusal(
    of document: [UInt8],
    _ code: JSONError.Code,
    at offset: Int,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let error = treeVerdict(document)
    #expect(error?.code == code, sourceLocation: sourceLocation)
    #expect(error?.offset == offset, sourceLocation: sourceLocation)
    #expect(envelopeVerdict(document) == error?.description, sourceLocation: sourceLocation)
}

/// Why `JSONValue` refuses a document; nil if it does not.
func treeVerdict(_ document: [UInt8]) -> JSONError? {
    do throws(JSONError) {
        _ = try JSONValue(parsing: document)
        return nil
    } catch {
        return error
    }
}

/// Why `Envelope` finds that a document is not JSON; nil if it is.
func envelopeVerdict(_ document: [UInt8]) -> String? {
    do throws(ContractError) {
        _ = try Envelope(checking: document)
        return nil
    } catch {
        return error.code == .json ? String(error.message.trimmingPrefix("the body is not strict JSON: ")) : nil
    }
}
