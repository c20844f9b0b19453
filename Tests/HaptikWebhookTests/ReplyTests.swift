import HaptikWebhook
import Testing

@Suite("Replies")
struct ReplyTests {
    @Test("a reply is encoded in the order of the integration page")
    func wire() throws {
        let sample = Reply(status: true, messages: ["message 1", "message 2"], messageType: 16)
        #expect(
            try text(sample) == #"{"status":true,"response":["message 1","message 2"],"response_message_type":16}"#
        )
        #expect(try text(Reply("a")) == #"{"status":true,"response":["a"]}"#)
        #expect(try text(Reply("a", "")) == #"{"status":true,"response":["a",""]}"#)
        #expect(try text(.failure("a", "b")) == #"{"status":false,"response":["a","b"]}"#)
        let full = Reply(
            messages: ["a"],
            messageType: 0,
            conversationDetails: ["b": 1, "a": ["x"]],
            userDetails: [:]
        )
        #expect(
            try text(full)
                == #"{"status":true,"response":["a"],"response_message_type":0,"#
                + #""conversation_details":{"a":["x"],"b":1},"user_details":{}}"#
        )
    }

    @Test("any text survives the way to Haptik")
    func anyText() throws {
        let messages = ["\"q\" \\ / 'x'", "😀👩‍👩‍👧 नमस्ते עברית", "\u{0}\u{1}\u{1F}\u{7F}\n\r\t", "\u{2028}\u{FEFF}"]
        let reply = Reply(messages: messages)
        #expect(try JSONValue(parsing: reply.encoded())["response"] == .array(messages.map(JSONValue.string)))
        #expect(
            try text(reply) == #"{"status":true,"response":["\"q\" \\ / 'x'","😀👩‍👩‍👧 नमस्ते עברית","#
                + #""\u0000\u0001\u001f"# + "\u{7F}" + #"\n\r\t","# + "\"\u{2028}\u{FEFF}\"]}"
        )
        #expect(try Reply(parsing: reply.encoded()) == reply)
    }

    @Test("a rich message is an object within a string")
    func rich() throws {
        let hsl: JSONValue = ["type": "carousel", "data": ["items": [["title": "A \"B\""]]]]
        let message = Reply.rich(hsl)
        #expect(message == #"{"data":{"items":[{"title":"A \"B\""}]},"type":"carousel"}"#)
        let encoded = try Reply(message).encoded()
        let response = try #require(try JSONValue(parsing: encoded)["response"]?[0]?.string)
        #expect(try JSONValue(parsing: response) == hsl)
    }

    @Test("a reply that says nothing is refused", arguments: [[], [""], ["", ""]])
    func empty(messages: [String]) {
        expectReplyError(.noMessages) { () throws(ReplyError) in _ = try Reply(messages: messages).encoded() }
        let reply =
            #"{"status":true,"response":"# + JSONValue.array(messages.map(JSONValue.string)).debugDescription + "}"
        expectReplyError(.noMessages) { () throws(ReplyError) in try Reply.check(encoded: utf8(reply)) }
    }

    @Test("a reply of 1 MiB is accepted, a longer one is not")
    func size() throws {
        let frame = #"{"status":true,"response":[""]}"#.utf8.count
        let longest = String(repeating: "a", count: Reply.maximumLength - frame)
        #expect(try Reply(longest).encoded().count == 1 << 20)
        expectReplyError(.tooLarge) { () throws(ReplyError) in _ = try Reply(longest + "a").encoded() }
        expectReplyError(.tooLarge) { () throws(ReplyError) in
            try Reply.check(encoded: Array(repeating: UInt8(ascii: " "), count: 1 << 20 + 1))
        }
    }

    @Test("details that are nested too deep are refused")
    func depth() throws {
        func nested(_ depth: Int) -> JSONValue { depth == 0 ? [] : [nested(depth - 1)] }
        _ = try Reply(messages: ["a"], userDetails: ["x": nested(61)]).encoded()
        expectReplyError(.json) { () throws(ReplyError) in
            _ = try Reply(messages: ["a"], userDetails: ["x": nested(62)]).encoded()
        }
    }

    @Test("the characters of the details are counted as sent")
    func details() {
        #expect(Reply("a").detailsCharacters == 0)
        #expect(Reply(messages: ["a"], conversationDetails: [:]).detailsCharacters == 2)
        let reply = Reply(messages: ["a"], conversationDetails: ["k": "é😀"], userDetails: ["n": 1])
        #expect(reply.detailsCharacters == #"{"k":"éx"}{"n":1}"#.count)
    }

    @Test(
        "an encoded reply that keeps the contract is accepted",
        arguments: [
            #"{"status":true,"response":["a"]}"#, #" { "response" : [ "", "a" ] , "status" : false } "#,
            #"{"status":true,"response":["a"],"response_message_type":-1,"user_details":{},"more":null}"#,
            #"{"\u0073tatus":true,"response":["\u0000"],"conversation_details":{"a":[1]}}"#,
        ]
    )
    func accepted(reply: String) throws {
        try Reply.check(encoded: utf8(reply))
        #expect(try Reply(parsing: utf8(reply)).messages.isEmpty == false)
    }

    @Test(
        "an encoded reply that breaks the contract is refused",
        arguments: [
            ("", .json, "the reply is not strict JSON: the document is empty (at byte 0)"),
            (#"{"status":true,"response":["a"],}"#, .json, nil), (#"{"status":true,"status":true}"#, .json, nil),
            ("[]", .notAnObject, "the reply is not a JSON object"), ("null", .notAnObject, nil),
            (#"{"response":["a"]}"#, .missing, "`status` is missing"),
            (#"{"status":true}"#, .missing, "`response` is missing"),
            (#"{"status":"true","response":["a"]}"#, .wrongType, "`status` is not a boolean"),
            (#"{"status":1,"response":["a"]}"#, .wrongType, nil),
            (#"{"status":null,"response":["a"]}"#, .wrongType, nil),
            (#"{"status":true,"response":"a"}"#, .wrongType, "`response` is not an array"),
            (#"{"status":true,"response":null}"#, .wrongType, nil),
            (#"{"status":true,"response":["a",{}]}"#, .wrongType, "`response[1]` is not a string"),
            (#"{"status":true,"response":["a"],"response_message_type":"16"}"#, .wrongType, nil),
            (#"{"status":true,"response":["a"],"response_message_type":1.5}"#, .wrongType, nil),
            (
                #"{"status":true,"response":["a"],"conversation_details":[]}"#, .wrongType,
                "`conversation_details` is not an object"
            ),
            (#"{"status":true,"response":["a"],"user_details":null}"#, .wrongType, nil),
        ] as [(String, ReplyError.Code, String?)]
    )
    func refused(reply: String, code: ReplyError.Code, message: String?) {
        expectReplyError(code, message) { () throws(ReplyError) in try Reply.check(encoded: utf8(reply)) }
        expectReplyError(code, message) { () throws(ReplyError) in _ = try Reply(parsing: utf8(reply)) }
    }

    @Test(
        "an encoded reply that is not UTF-8 is refused",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]]
    )
    func notUTF8(bytes: [UInt8]) {
        let reply = utf8(#"{"status":true,"response":["a"#) + bytes + utf8(#""]}"#)
        expectReplyError(.json) { () throws(ReplyError) in try Reply.check(encoded: reply) }
        expectReplyError(.json) { () throws(ReplyError) in _ = try Reply(parsing: reply) }
        let name = utf8(#"{"status":true,"response":["a"],""#) + bytes + utf8(#"":1}"#)
        expectReplyError(.json) { () throws(ReplyError) in try Reply.check(encoded: name) }
    }

    @Test("a description shows no contents")
    func descriptions() {
        #expect(Reply("secret").description == "Reply(status: true, messages: 1)")
        #expect(Reply("secret").debugDescription.contains("secret"))
        #expect(Reply(messages: []).debugDescription == "Reply(status: true, messages: 0)")
    }

    private func text(_ reply: Reply) throws -> String { String(decoding: try reply.encoded(), as: UTF8.self) }

    private func expectReplyError(
        _ code: ReplyError.Code,
        _ message: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ attempt: () throws(ReplyError) -> Void
    ) {
        do throws(ReplyError) {
            try attempt()
            Issue.record("no error", sourceLocation: sourceLocation)
        } catch {
            #expect(error.code == code, sourceLocation: sourceLocation)
            #expect(error.description == message ?? error.message, sourceLocation: sourceLocation)
        }
    }
}
