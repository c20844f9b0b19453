/// What the bot says: the answer to one event.
public struct Reply: Sendable, Hashable {
    /// How many bytes an encoded reply may have.
    public static let maximumLength = 1 << 20

    /// Whether Haptik takes the messages as the node's success response (true) or as its failure response.
    public var status: Bool

    /// The messages, at least one of them not empty.
    ///
    /// A rich message is made by ``rich(_:)``.
    public var messages: [String]

    /// The type of the messages, passed through: 0 text, 1 image, 33 carousel, ….
    public var messageType: Int?

    /// What the bot shall keep for this conversation.
    public var conversationDetails: [String: JSONValue]?

    /// What the bot shall keep for this user.
    public var userDetails: [String: JSONValue]?

    /// Makes a reply.
    public init(
        status: Bool = true,
        messages: [String],
        messageType: Int? = nil,
        conversationDetails: [String: JSONValue]? = nil,
        userDetails: [String: JSONValue]? = nil
    ) {
        self.status = status
        self.messages = messages
        self.messageType = messageType
        self.conversationDetails = conversationDetails
        self.userDetails = userDetails
    }

    /// Makes a success response of one or more messages.
    public init(_ message: String, _ more: String...) {
        self.init(messages: [message] + more)
    }

    /// Makes a failure response of one or more messages.
    ///
    /// Haptik still gets a 200.
    public static func failure(_ message: String, _ more: String...) -> Reply {
        Reply(status: false, messages: [message] + more)
    }

    /// A rich message (HSL): an object serialised into a string, to stand among the ``messages``.
    public static func rich(_ value: JSONValue) -> String {
        String(decoding: value.encoded(), as: UTF8.self)
    }
}

extension Reply {
    /// The reply exactly as Haptik gets it.
    ///
    /// - Throws: A ``ReplyError`` if Haptik would not take it: no message that says something, too long, or details that
    ///   are nested too deep.
    public func encoded() throws(ReplyError) -> [UInt8] {
        var writer = JSONWriter()
        writer.write(raw: status ? #"{"status":true,"response":"# : #"{"status":false,"response":"#)
        writer.write(messages.map(JSONValue.string))
        if let messageType {
            writer.write(raw: #","response_message_type":"#)
            writer.write(JSONValue(messageType))
        }
        if let conversationDetails {
            writer.write(raw: #","conversation_details":"#)
            writer.write(conversationDetails)
        }
        if let userDetails {
            writer.write(raw: #","user_details":"#)
            writer.write(userDetails)
        }
        writer.write(raw: "}")
        try Reply.check(encoded: writer.bytes)
        return writer.bytes
    }

    /// How many characters the details have together when encoded.
    ///
    /// Haptik takes at most 500: warn above.
    public var detailsCharacters: Int {
        [conversationDetails, userDetails].compactMap(\.self)
            .map { JSONValue.object($0).encoded().count { byte in byte & 0xC0 != 0x80 } }
            .reduce(0, +)
    }
}

extension Reply: CustomStringConvertible, CustomDebugStringConvertible {
    /// The status and the number of messages, without their contents.
    public var description: String { "Reply(status: \(status), messages: \(messages.count))" }

    /// The reply with its contents: not for logs.
    public var debugDescription: String {
        (try? encoded()).map { String(decoding: $0, as: UTF8.self) } ?? description
    }
}
