import RejoinderTesting
import RejoinderWorker
import Synchronization
import Testing

@Suite("handlers run as a worker runs them, without a database", .timeLimit(.minutes(1)))
struct HandlerTestTests {
    private struct Thrown: Error {}

    @Test("the reply is what Haptik would get")
    func reply() async throws {
        let handle = Handle("price") { event, _ in
            var reply = Reply("\(event.text(of: "product") ?? "?")", "\(event.text(of: "budget") ?? "?")")
            reply.messageType = 16
            return .reply(reply)
        }
        let event = WebhookEvent.sample(node: "price", entities: ["product": "shoe", "budget": ["value": 30]])
        let result = await HandlerTest(Handlers { handle }).result(of: event)
        #expect(result.reply == Reply(messages: ["shoe", "30"], messageType: 16))
        #expect(result.status == 200)
        #expect(result.botBreak == nil)
        #expect(result.attempts.map(\.number) == [1])
        #expect(result.attempts.map(\.failure) == [nil])
        #expect(try await handle.reply(to: event) == result.reply)
    }

    @Test("a refused event is not tried again")
    func refusal() async {
        let handlers = Handlers { Handle("price") { _, _ in .refuse("no such product") } }
        let result = await HandlerTest(handlers).result(of: .sample(node: "price"))
        #expect(result.botBreak?.code == .refused)
        #expect(result.botBreak?.reason == "no such product")
        #expect(result.status == 400)
        #expect(result.attempts.count == 1)
        await #expect(throws: BotBreak.self) { try await handlers.reply(to: .sample(node: "price")) }
    }

    @Test("a handler that throws is tried again, with the same id and the next number, as often as its options say")
    func attempts() async throws {
        let seen = Mutex<[HandlerContext]>([])
        let handlers = Handlers {
            Handle("flaky") { _, context in
                seen.withLock { $0.append(context) }
                if context.attempt < 3 { throw Thrown() }
                return .success("at last")
            }
            Handle("broken", attempts: 2) { _, _ in throw Thrown() }
            Handle("once", atMostOnce: true) { _, _ in throw Thrown() }
        }
        let flaky = await HandlerTest(handlers).result(of: .sample(node: "flaky"))
        #expect(flaky.reply == Reply("at last"))
        #expect(flaky.attempts.map(\.failure) == ["handler_failed", "handler_failed", nil])
        #expect(seen.withLock { $0.map(\.attempt) } == [1, 2, 3])
        #expect(Set(seen.withLock { $0.map(\.eventID) }).count == 1)
        let broken = await HandlerTest(handlers).result(of: .sample(node: "broken"))
        #expect(broken.botBreak?.code == .handlerFailed)
        #expect(broken.botBreak?.reason == "Thrown()")
        #expect(broken.attempts.count == 2)
        #expect(await HandlerTest(handlers).result(of: .sample(node: "once")).attempts.count == 1)

        var later = HandlerTest(handlers)
        later.attempt = 3
        #expect(await later.result(of: .sample(node: "flaky")).attempts.map(\.number) == [3])
    }

    @Test("a reply that Haptik would not take is a bot break, and not tried again")
    func invalidReply() async {
        let handlers = Handlers { Handle("empty") { _, _ in .success("") } }
        let result = await HandlerTest(handlers).result(of: .sample(node: "empty"))
        #expect(result.botBreak?.code == .invalidReply)
        #expect(result.status == 502)
        #expect(result.attempts.map(\.failure) == ["invalid_reply"])
    }

    @Test("a handler that throws an error of the contract is tried again, as with any other")
    func thrownOfContract() async {
        let handlers = Handlers {
            Handle("reply", attempts: 2) { _, _ in .reply(try Reply(parsing: [])) }
            Handle("event", attempts: 2) { _, _ in .success(try WebhookEvent(parsing: []).node) }
        }
        for node in ["reply", "event"] {
            let result = await HandlerTest(handlers).result(of: .sample(node: node))
            #expect(result.attempts.map(\.failure) == ["handler_failed", "handler_failed"])
        }
    }

    @Test("what no handler serves, and what is no event, runs nothing")
    func notRun() async {
        let test = HandlerTest(Handlers { Handle("price") { _, _ in .success("1599") } })
        let unserved = await test.result(of: .sample(node: "prise"))
        #expect(unserved.botBreak?.code == .noWorker)
        #expect(unserved.attempts.isEmpty)
        let broken = await test.result(ofBody: Array(#"{"node":"price","event":"API_INTEGRATION","user":{}}"#.utf8))
        #expect(broken.botBreak?.description == "bot break: 400 contract, `entities` is missing")
        #expect(broken.attempts.isEmpty)
    }
}
