/// One value that the bot has found in the conversation, or knows of the user.
public struct Entity: Sendable, Hashable {
    /// Where the value comes from: `message`, `user_profile`, `default`, and others that may be added.
    ///
    /// Empty if not sent.
    public let detection: String

    /// The words that the value was found in: free text of a stranger, empty if not sent.
    public let originalText: String

    /// The value (`entity_value`), JSON's `null` if not sent.
    ///
    /// Its shape depends on the entity: text, or an object such as `{"value": "30", "unit": "rupees"}`.
    public let value: JSONValue

    /// Makes an entity.
    public init(detection: String, originalText: String, value: JSONValue) {
        self.detection = detection
        self.originalText = originalText
        self.value = value
    }

    /// Makes an entity whose value and original text are `text`, for tests of handlers.
    public init(_ text: String, detection: String = "message") {
        self.init(detection: detection, originalText: text, value: .string(text))
    }

    /// Reads one element of an event's `entities`.
    init(_ json: JSONValue) {
        self.init(
            detection: json["detection"]?.scalarText ?? "",
            originalText: json["original_text"]?.scalarText ?? "",
            value: json["entity_value"] ?? .null
        )
    }

    /// The value as text, if it has one of the usual forms.
    ///
    /// These are a string, a number (its text), and an object whose `value` is a string or a number. Anything else, such
    /// as a date or a time, has no text: read ``value``.
    public var text: String? {
        value.scalarText ?? value["value"]?.scalarText
    }

    /// The entity as Haptik sends it.
    var json: JSONValue {
        ["detection": .string(detection), "original_text": .string(originalText), "entity_value": value]
    }
}

extension Entity: CustomStringConvertible, CustomDebugStringConvertible {
    /// What this is, without its contents.
    public var description: String { "Entity" }

    /// The entity as JSON text, personal data included: not for logs.
    public var debugDescription: String { json.debugDescription }
}
