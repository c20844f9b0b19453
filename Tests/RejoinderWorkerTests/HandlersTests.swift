import EventQueue
import RejoinderTesting
import RejoinderWorker
import TestSupport
import Testing

@Suite("handlers, without a database")
struct HandlersTests {
    private struct Thrown: Error {}

    private let handlers = Handlers {
        Handle("price") { event, _ in
            switch event.entities["product_name"]?.first?.text {
            case "speaker": .success("Rs.1599")
            default: .refuse("no such product")
            }
        }
        Handle("order", "reorder", atMostOnce: true) { _, context in .success("attempt \(context.attempt)") }
        Handle("slow", concurrency: 2, attempts: 5) { _, _ in throw Thrown() }
        Handle.anyNode { event, _ in .failure("what is \(event.node)?") }
    }

    @Test("an event goes to the handler of its node, and else to the one for any node")
    func routing() async throws {
        let speaker = WebhookEvent.sample(node: "price", entities: ["product_name": "speaker"])
        #expect(try await self.handlers.reply(to: speaker) == Reply("Rs.1599"))
        var test = HandlerTest(self.handlers)
        #expect(await test.result(of: .sample(node: "price")).botBreak?.code == .refused)
        #expect(await test.result(of: .sample(node: "slow")).botBreak?.code == .handlerFailed)
        #expect(try await test.reply(to: .sample(node: "other")) == .failure("what is other?"))
        test.attempt = 3
        #expect(try await test.reply(to: .sample(node: "reorder")) == Reply("attempt 3"))
        let named = Handlers { Handle("only") { _, _ in .success("yes") } }
        #expect(await HandlerTest(named).result(of: .sample(node: "other")).botBreak?.code == .noWorker)
    }

    @Test("one that throws is complained of, unless it was cancelled", arguments: [false, true])
    func complaint(isCancelled: Bool) async {
        let recorder = LogRecorder()
        let task = Task {
            // Begins when it has been cancelled.
            if isCancelled { try? await Task.sleep(for: .seconds(600)) }
            return await Handle("slow") { _, _ in throw Thrown() }.attempt(
                at: Array(#"{"node":"slow","event":"e","user":{},"entities":{}}"#.utf8),
                context: HandlerContext(logger: recorder.logger)
            )
        }
        if isCancelled { task.cancel() }
        guard case .retry(code: "handler_failed", error: _) = await task.value else {
            Issue.record("an attempt of a handler that threw did not fail")
            return
        }
        #expect(recorder.entries.map(\.message) == ["the handler threw"])
        #expect(recorder.complaints.isEmpty == isCancelled)
    }

    @Test("handlers with equal options share a lane; one for any node leaves out what other lanes serve")
    func lanes() {
        #expect(
            self.handlers.lanes(slots: 16) == [
                LaneOptions(
                    nodes: nil,
                    excluding: ["order", "reorder", "slow"],
                    slots: 16,
                    maxAttempts: 3,
                    atMostOnce: false
                ),
                LaneOptions(nodes: ["order", "reorder"], slots: 16, maxAttempts: 1, atMostOnce: true),
                LaneOptions(nodes: ["slow"], slots: 2, maxAttempts: 5, atMostOnce: false),
            ]
        )
    }

    @Test("two handlers for one node, and none at all, stop the program")
    func mistakes() async {
        await #expect(processExitsWith: .failure) {
            _ = Handlers {
                Handle("a") { _, _ in .success("1") }
                Handle("a") { _, _ in .success("2") }
            }
        }
        await #expect(processExitsWith: .failure) {
            _ = Handlers { [Handle]() }
        }
    }

    @Test("the time left is never negative")
    func timeLeft() {
        #expect(HandlerContext(deadline: .now - .seconds(1)).timeLeft == .zero)
        #expect(HandlerContext(deadline: .now + .seconds(60)).timeLeft > .seconds(50))
    }
}
