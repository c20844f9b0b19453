import RejoinderTesting
import RejoinderWorker
import Testing

@testable import OrderWorker

@Suite("the order worker")
struct OrderWorkerTests {
    let handlers = OrderWorker().handlers

    @Test("it says where an order is")
    func knownOrder() async throws {
        let reply = try await self.handlers.reply(to: .sample(node: "order_status", entities: ["order_id": "A-17"]))
        #expect(reply == Reply("Order A-17 is on its way."))
    }

    @Test("without an order it asks for one")
    func noOrder() async throws {
        let reply = try await self.handlers.reply(to: .sample(node: "order_status"))
        #expect(reply == .failure("Which order do you mean?"))
    }
}
