import HaptikWebhook
import Testing

@Suite("The contract")
struct EnvelopeTests {
    @Test("the sample body is accepted")
    func sample() throws {
        #expect(try Envelope(checking: sampleBody).node == "system name of the node")
        #expect(try Envelope(checking: newerBody).node == "pay")
    }

    @Test(
        "a body that keeps the contract is accepted",
        arguments: [
            (#"{"node":"n","event":"API_INTEGRATION","user":{},"entities":{}}"#, "n"),
            (#"{"step":"n","event":"API_INTEGRATION","user":{},"entities":{}}"#, "n"),
            (#"{"step":"n","node":"n","event":"","user":{},"entities":{}}"#, "n"),
            (#"{"entities":{},"user":{},"event":"other","node":"\u0061\ud83d\ude00 é"}"#, "a😀 é"),
            (#"{"\u006eode":"n","\u0065vent":"e","us\u0065r":{},"entiti\u0065s":{}}"#, "n"),
            (#"{"node":"n","event":"e","user":{"x":[{}]},"entities":{"a":[],"b":[{}],"":[{"x":1},{}]},"new":1}"#, "n"),
            (#"{"node":"n","event":"e","user":{},"entities":{"node":[],"user":[]},"nodes":5,"Node":null}"#, "n"),
        ]
    )
    func accepted(body: String, node: String) throws {
        #expect(try Envelope(checking: utf8(body)).node == node)
        #expect(try WebhookEvent(parsing: utf8(body)).node == node)
    }

    @Test(
        "a body that breaks the contract is refused in words that its sender understands",
        arguments: [
            (#"[]"#, .notAnObject, "the body is not a JSON object"),
            (#""node""#, .notAnObject, "the body is not a JSON object"),
            (#"{}"#, .missing, "`node` is missing"),
            (#"{"event":"e","user":{},"entities":{}}"#, .missing, "`node` is missing"),
            (#"{"node":"n","user":{},"entities":{}}"#, .missing, "`event` is missing"),
            (#"{"node":"n","event":"e","entities":{}}"#, .missing, "`user` is missing"),
            (#"{"node":"n","event":"e","user":{}}"#, .missing, "`entities` is missing"),
            (#"{"node":null,"event":"e","user":{},"entities":{}}"#, .wrongType, "`node` is not a string"),
            (#"{"node":null,"step":"n","event":"e","user":{},"entities":{}}"#, .wrongType, "`node` is not a string"),
            (#"{"step":["n"],"event":"e","user":{},"entities":{}}"#, .wrongType, "`step` is not a string"),
            (#"{"node":"","event":"e","user":{},"entities":{}}"#, .invalidNode, "`node` is empty"),
            (#"{"node":"a\u0000","event":"e","user":{},"entities":{}}"#, .invalidNode, "`node` contains U+0000"),
            (
                #"{"node":"a","step":"b","event":"e","user":{},"entities":{}}"#, .ambiguousNode,
                "`node` and `step` differ"
            ),
            (#"{"node":"n","event":5,"user":{},"entities":{}}"#, .wrongType, "`event` is not a string"),
            (#"{"node":"n","event":"e","user":null,"entities":{}}"#, .wrongType, "`user` is not an object"),
            (#"{"node":"n","event":"e","user":[],"entities":{}}"#, .wrongType, "`user` is not an object"),
            (#"{"node":"n","event":"e","user":{},"entities":[]}"#, .wrongType, "`entities` is not an object"),
            (#"{"node":"n","event":"e","user":{},"entities":null}"#, .wrongType, "`entities` is not an object"),
            (entities(#""product_id":{}"#), .wrongType, "`entities.product_id` is not an array"),
            (entities(#""a":[],"b":null"#), .wrongType, "`entities.b` is not an array"),
            (entities(#""b":[{},"secret"]"#), .wrongType, "`entities.b[1]` is not an object"),
            (entities(#""b":[[]],"c":1"#), .wrongType, "`entities.b[0]` is not an object"),
            (entities(#""a\u0000\n\u202e\u00e9":1"#), .wrongType, #"`entities.a\u{0}\u{a}\u{202e}é` is not an array"#),
        ] as [(String, ContractError.Code, String)]
    )
    func refused(body: String, code: ContractError.Code, message: String) {
        expectContractError(utf8(body), code, message)
    }

    @Test("a node's name has at most 200 characters")
    func nodeLength() throws {
        for character in ["n", "é", "😀"] {
            let longest = String(repeating: character, count: 200)
            #expect(try Envelope(checking: Self.body(node: longest)).node == longest)
            let body = Self.body(node: longest + character)
            expectContractError(body, .invalidNode, "`node` is longer than 200 characters")
        }
        let marks = "n" + String(repeating: "\u{301}", count: 200)
        expectContractError(Self.body(node: marks), .invalidNode, "`node` is longer than 200 characters")
    }

    @Test("a long key is shown shortened")
    func longKeys() {
        let key = String(repeating: "k", count: 100_000)
        let shown = String(repeating: "k", count: 64) + "…"
        expectContractError(utf8(Self.entities("\"\(key)\":0")), .wrongType, "`entities.\(shown)` is not an array")
    }

    @Test("broken JSON goes before a broken contract")
    func precedence() {
        let body = utf8(#"{"node":5,"user":[],}"#)
        let message = "the body is not strict JSON: a key in quotes was expected (at byte 20)"
        expectContractError(body, .json, message)
        expectContractError([], .json, "the body is not strict JSON: the document is empty (at byte 0)")
    }

    private static func entities(_ members: String) -> String {
        "{\"node\":\"n\",\"event\":\"e\",\"user\":{},\"entities\":{\(members)}}"
    }

    private static func body(node: String) -> [UInt8] {
        utf8("{\"node\":\"\(node)\",\"event\":\"e\",\"user\":{},\"entities\":{}}")
    }

    private func expectContractError(
        _ body: [UInt8],
        _ code: ContractError.Code,
        _ message: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let check = { () throws(ContractError) in _ = try Envelope(checking: body) }
        let parse = { () throws(ContractError) in _ = try WebhookEvent(parsing: body) }
        for attempt in [check, parse] {
            do throws(ContractError) {
                try attempt()
                Issue.record("no error", sourceLocation: sourceLocation)
            } catch {
                #expect(error.code == code, sourceLocation: sourceLocation)
                #expect(error.message == message, sourceLocation: sourceLocation)
                #expect(error.description == message, sourceLocation: sourceLocation)
            }
        }
    }
}
