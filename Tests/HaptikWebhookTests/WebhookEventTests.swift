import HaptikWebhook
import Testing

@Suite("Events")
struct WebhookEventTests {
    @Test("the sample body is read")
    func sample() throws {
        let event = try WebhookEvent(parsing: sampleBody)
        #expect(event.node == "system name of the node")
        #expect(event.event == "API_INTEGRATION")
        #expect(event.user.userName == "haptik username")
        #expect(event.user.fullName.isEmpty)
        #expect(event.user.devicePlatform == 5)
        #expect(event.user.authID == nil && event.user.userID.isEmpty)
        #expect(event.entities.count == 3)
        #expect(event.entities["product_id"] == [Entity("71")])
        #expect(event.entities["email"]?.first?.detection == "user_profile")
        #expect(event.entities["product_name"]?.first?.originalText == "headphones")
        #expect(event.text(of: "product_name") == "headphones")
        #expect(event.text(of: "missing") == nil)
        #expect(event.conversationNumber == nil && event.conversationDetails == nil)
        #expect(event.userDetails == nil && event.environmentVariables == nil)
    }

    @Test("a newer body is read, and nothing of it is lost")
    func newer() throws {
        let event = try WebhookEvent(parsing: newerBody)
        #expect(event.node == "pay")
        #expect(event.user.fullName == "Zoë 😀")
        #expect(event.user.userID == "99")
        #expect(event.user.languageCode == "hi")
        #expect(event.user.authID == "a-1")
        #expect(event.user.authCode == "s3cret")
        #expect(event.user.fields["shoe_size"]?.int == 43)
        #expect(event.conversationNumber == 4711)
        #expect(event.conversationDetails == ["cart": [1, 2]])
        #expect(event.userDetails == ["vip": true])
        #expect(event.environmentVariables == ["API_KEY": "k"])
        #expect(event.fields["future"] == ["x": nil])
        #expect(event.entities["none"] == [])
        #expect(try JSONValue(parsing: newerBody) == .object(event.fields))
    }

    @Test("an entity's text is what its value usually is")
    func entityText() throws {
        let amounts = try #require(try WebhookEvent(parsing: newerBody).entities["amount"])
        #expect(amounts.map(\.text) == ["30", "7", "8", nil, nil])
        #expect(amounts[0].originalText == "30 rupees\u{0}")
        #expect(amounts[0].value["unit"]?.string == "rupees")
        #expect(amounts[1].detection.isEmpty && amounts[1].originalText.isEmpty)
        #expect(amounts[3].value["hh"]?.int == 12)
        #expect(amounts[4].value.isNull)
        let date: JSONValue = ["value": ["dd": 23, "mm": 12, "yy": 2019, "type": "date"]]
        #expect(Entity(detection: "message", originalText: "x", value: date).text == nil)
        #expect(Entity(detection: "message", originalText: "x", value: true).text == nil)
    }

    @Test("an event made for a test is the one that Haptik would send")
    func made() throws {
        let event = WebhookEvent(
            node: "price",
            user: User(userName: "u", devicePlatform: 14, userID: "7", languageCode: "en", authID: "a", authCode: "c"),
            entities: ["product_name": [Entity("speaker")]],
            fields: ["conversation_no": 5]
        )
        let body = JSONValue.object(event.fields).encoded()
        #expect(try WebhookEvent(parsing: body) == event)
        #expect(event.event == "API_INTEGRATION")
        #expect(event.text(of: "product_name") == "speaker")
        #expect(event.entities["product_name"]?.first?.detection == "message")
        #expect(event.entities["product_name"]?.first?.originalText == "speaker")
        #expect(event.conversationNumber == 5)
        #expect(event.user.authCode == "c")
        #expect(WebhookEvent(node: "n").user == User())
    }

    @Test("descriptions show no contents")
    func descriptions() throws {
        let event = try WebhookEvent(parsing: newerBody)
        let amount = try #require(event.entities["amount"]?.first)
        for shown in ["\(event)", "\(event.user)", "\(amount)", "\(amount.value)"] {
            for content in ["pay", "s3cret", "Zo", "30", "rupees", "API_KEY"] {
                #expect(!shown.contains(content))
            }
        }
        #expect(event.debugDescription.contains("s3cret"))
        #expect(event.user.debugDescription.contains("s3cret"))
        #expect(amount.debugDescription.contains("rupees"))
    }
}
