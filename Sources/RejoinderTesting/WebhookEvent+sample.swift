public import HaptikWebhook

extension User {
    /// The user of the integration page's sample.
    public static let sample = User(userName: "haptik username", devicePlatform: 5)
}

extension WebhookEvent {
    /// The sample call of Haptik's integration page, for its node or another.
    public static func integrationPage(node: String = "system name of the node") -> WebhookEvent {
        WebhookEvent(
            node: node,
            user: .sample,
            entities: [
                "product_id": [Entity("71")],
                "email": [Entity("test@test.com", detection: "user_profile")],
                "product_name": [Entity("headphones", detection: "default")],
            ]
        )
    }

    /// An event as Haptik sends it, with one value for each entity.
    ///
    ///     .sample(node: "price", entities: ["product": "shoe", "budget": ["value": "30", "unit": "rupees"]])
    ///
    /// An entity with several values, or with an original text of its own, needs `WebhookEvent`'s initializer.
    ///
    /// - Parameters:
    ///   - node: the system name of the node that asks.
    ///   - entities: the values that the bot has found, by the name of the entity: a text, or an object in the entity's shape.
    ///   - user: the person that the bot talks to.
    ///   - fields: more keys of the body, such as `conversation_no`.
    /// - Returns: the event.
    public static func sample(
        node: String,
        entities: [String: JSONValue] = [:],
        user: User = .sample,
        fields: [String: JSONValue] = [:]
    ) -> WebhookEvent {
        WebhookEvent(
            node: node,
            user: user,
            entities: entities.mapValues { value in
                let entity = Entity(detection: "message", originalText: "", value: value)
                return [Entity(detection: "message", originalText: entity.text ?? "", value: value)]
            },
            fields: fields
        )
    }
}
