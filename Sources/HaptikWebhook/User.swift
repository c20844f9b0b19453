/// The person that the bot talks to, as far as Haptik tells.
public struct User: Sendable, Hashable {
    /// Everything that was sent about the user, under its name on the wire, keys unknown to us included.
    public let fields: [String: JSONValue]

    /// Reads a user from what was sent.
    public init(fields: [String: JSONValue] = [:]) {
        self.fields = fields
    }

    /// Makes a user, for tests of handlers.
    ///
    /// - Parameters:
    ///   - userName: The name in Haptik (`user_name`).
    ///   - fullName: The full name (`full_name`).
    ///   - devicePlatform: The channel (`device_platform`).
    ///   - userID: The identity in Haptik (`user_id`).
    ///   - languageCode: The language of the conversation (`language_code`).
    ///   - authID: The identity in the business's own system (`auth_id`).
    ///   - authCode: A secret of the business's own system (`auth_code`).
    public init(
        userName: String,
        fullName: String = "",
        devicePlatform: Int? = nil,
        userID: String? = nil,
        languageCode: String? = nil,
        authID: String? = nil,
        authCode: String? = nil
    ) {
        var fields: [String: JSONValue] = ["user_name": .string(userName), "full_name": .string(fullName)]
        fields["device_platform"] = devicePlatform.map { JSONValue($0) }
        fields["user_id"] = userID.map(JSONValue.string)
        fields["language_code"] = languageCode.map(JSONValue.string)
        fields["auth_id"] = authID.map(JSONValue.string)
        fields["auth_code"] = authCode.map(JSONValue.string)
        self.init(fields: fields)
    }
}

extension User {
    /// The name in Haptik (`user_name`), empty if not sent.
    public var userName: String { text("user_name") ?? "" }

    /// The full name (`full_name`), empty if not sent.
    public var fullName: String { text("full_name") ?? "" }

    /// The channel, an open list: 2 Android SDK, 3 Facebook, 5 Web SDK, 6 iOS SDK, 13 Bot API, 14 WhatsApp, ….
    public var devicePlatform: Int? { fields["device_platform"]?.int }

    /// The identity in Haptik (`user_id`), empty if not sent.
    public var userID: String { text("user_id") ?? "" }

    /// The language of the conversation (`language_code`), empty if not sent.
    public var languageCode: String { text("language_code") ?? "" }

    /// The identity in the business's own system (`auth_id`).
    public var authID: String? { text("auth_id") }

    /// A secret of the business's own system (`auth_code`).
    public var authCode: String? { text("auth_code") }

    private func text(_ key: String) -> String? { fields[key]?.scalarText }
}

extension User: CustomStringConvertible, CustomDebugStringConvertible {
    /// What this is, without its contents.
    public var description: String { "User" }

    /// What was sent as JSON text, personal data included: not for logs.
    public var debugDescription: String { JSONValue.object(fields).debugDescription }
}
