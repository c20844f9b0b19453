/// One call of a bot's node: who asks, and what the bot has found out so far.
///
/// The contents are personal data and may hold secrets, so ``description`` shows none of them.
public struct WebhookEvent: Sendable, Hashable {
    /// The system name of the node that asks (`node`, or `step` in newer bodies).
    public let node: String

    /// What happened: `API_INTEGRATION`.
    public let event: String

    /// The person that the bot talks to.
    public let user: User

    /// What the bot has found, by the name of the entity.
    public let entities: [String: [Entity]]

    /// The whole body, under the names on the wire, keys unknown to us included.
    public let fields: [String: JSONValue]

    /// Parses and checks a body.
    ///
    /// - Parameter body: The bytes as they were received.
    /// - Throws: A ``ContractError`` that says what is wrong.
    public init(parsing body: [UInt8]) throws(ContractError) {
        do throws(JSONError) {
            fields = try JSONValue(parsing: body).object ?? [:]
        } catch {
            throw ContractError(error)
        }
        // What breaks the contract is read once more, for what to say of it.
        node = if let envelope = Envelope(keptBy: fields) { envelope.node } else { try Envelope(checking: body).node }
        event = fields["event"]?.string ?? ""
        user = User(fields: fields["user"]?.object ?? [:])
        entities = (fields["entities"]?.object ?? [:]).mapValues { ($0.array ?? []).map(Entity.init) }
    }

    /// Makes an event, for tests of handlers.
    ///
    /// - Parameters:
    ///   - node: The system name of the node that asks.
    ///   - event: What happened.
    ///   - user: The person that the bot talks to.
    ///   - entities: What the bot has found.
    ///   - fields: More keys of the body, such as `conversation_no`.
    public init(
        node: String,
        event: String = "API_INTEGRATION",
        user: User = User(),
        entities: [String: [Entity]] = [:],
        fields: [String: JSONValue] = [:]
    ) {
        self.node = node
        self.event = event
        self.user = user
        self.entities = entities
        var all = fields
        all["node"] = .string(node)
        all["event"] = .string(event)
        all["user"] = .object(user.fields)
        all["entities"] = .object(entities.mapValues { .array($0.map(\.json)) })
        self.fields = all
    }
}

extension WebhookEvent {
    /// The text of the first value of an entity; nil if there is none, or if its value has no usual text.
    public func text(of entity: String) -> String? { entities[entity]?.first?.text }

    /// The number of the conversation (`conversation_no`).
    public var conversationNumber: Int? { fields["conversation_no"]?.int }

    /// What the bot keeps for this conversation (`conversation_details`).
    public var conversationDetails: [String: JSONValue]? { fields["conversation_details"]?.object }

    /// What the bot keeps for this user (`user_details`).
    public var userDetails: [String: JSONValue]? { fields["user_details"]?.object }

    /// The bot's environment variables (`env_variables`), which may be secrets.
    public var environmentVariables: [String: JSONValue]? { fields["env_variables"]?.object }
}

extension WebhookEvent: CustomStringConvertible, CustomDebugStringConvertible {
    /// What this is, without its contents.
    public var description: String { "WebhookEvent" }

    /// The body as JSON text, personal data included: not for logs.
    public var debugDescription: String { JSONValue.object(fields).debugDescription }
}
