import HTTPTypes
import HaptikWebhook
import RejoinderTesting
import RejoinderWorker
import Testing

@testable import ProductPriceWorker
@testable import RejoinderIngress

@Suite("samples are what Haptik sends, bot breaks what the ingress says")
struct SampleTests {
    @Test("the integration page's sample is the one that stands there")
    func integrationPage() throws {
        let body = """
            {"node": "system name of the node", "event": "API_INTEGRATION",
             "user": {"user_name": "haptik username", "full_name": "", "device_platform": 5},
             "entities": {
               "product_id": [{"detection": "message", "original_text": "71", "entity_value": "71"}],
               "email": [{"detection": "user_profile", "original_text": "test@test.com", "entity_value": "test@test.com"}],
               "product_name": [{"detection": "default", "original_text": "headphones", "entity_value": "headphones"}]
             }}
            """
        #expect(try WebhookEvent(parsing: Array(body.utf8)) == .integrationPage())
    }

    @Test("the sample worker says its prices, and refuses what it does not sell")
    func productPrice() async throws {
        let handlers = ProductPriceWorker().handlers
        let speaker = try await handlers.reply(to: .sample(node: "any", entities: ["product_name": "speaker"]))
        #expect(speaker == Reply("The Wireless Radio Alarm Clock Speaker can be yours only for Rs.1599"))
        let powerbank = try await handlers.reply(to: .sample(node: "any", entities: ["product_name": "powerbank"]))
        #expect(powerbank == Reply("The Ambrane Powerbank can be yours only for Rs.1799"))
        let result = await HandlerTest(handlers).result(of: .integrationPage())
        #expect(result.botBreak?.code == .refused)
        #expect(result.botBreak?.reason == "no such product")
    }

    @Test("each bot break has the ingress's code and status", arguments: BotBreak.Code.allCases)
    func statuses(code: BotBreak.Code) {
        #expect(Problem(rawValue: code.rawValue)?.status.code == code.status)
    }
}
