import Dispatch
import Logging
import RejoinderWorker
import ServiceLifecycle
import Tracing
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A worker that does what its events say, for the tests of the whole system.
@main
struct ScriptedWorker: WorkerProgram {
    struct Thrown: Error {
        var event: WebhookEvent?
    }

    struct Quoting: Error {
        let text: String?
    }

    struct Unable: Error, CustomStringConvertible {
        let description: String
    }

    private static let resource = Resource()

    let services: [any Service] = [Self.resource]

    let handlers = Handlers {
        Handle("echo", "sleep") { event, _ in
            if let milliseconds = event.text(of: "ms").flatMap({ Int($0) }) {
                try await Task.sleep(for: .milliseconds(milliseconds))
            }
            return .success(event.text(of: "id") ?? "")
        }
        Handle("throw") { _, _ in throw Thrown() }
        Handle("throw_once") { event, context in
            if context.attempt == 1 { throw Thrown() }
            return .success("attempt \(context.attempt)")
        }
        Handle("traced") { _, context in
            withSpan("look up") { _ in .success(context.traceparent ?? "none") }
        }
        Handle("refuse") { _, _ in .refuse("not this one") }
        Handle("failure") { _, _ in .failure("no") }
        Handle("empty") { _, _ in .reply(Reply(messages: [])) }
        Handle("leak_thrown") { event, _ in throw Thrown(event: event) }
        Handle("leak_quoted") { event, _ in throw Quoting(text: event.text(of: "id")) }
        Handle("leak_refused") { event, _ in .refuse("not this one: \(event.text(of: "id") ?? "")") }
        Handle("leak_invalid") { event, _ in
            let text = event.text(of: "id") ?? ""
            return .success(String(repeating: text, count: 1 << 17))
        }
        Handle("silent") { _, _ in .success("") }
        Handle("huge") { _, _ in .success(String(repeating: "a", count: 2 << 20)) }
        Handle("deep") { _, _ in
            let nested = (0..<100).reduce(JSONValue.null) { value, _ in .array([value]) }
            return .reply(Reply(messages: ["a"], userDetails: ["deep": nested]))
        }
        Handle("full") { _, _ in
            .reply(Reply(messages: ["a\"b\u{1F600}", Reply.rich(["text": "rich"])], messageType: 16))
        }
        Handle("crash") { _, _ in Self.crash() }
        Handle("crash_once") { _, context in
            if context.attempt == 1 { Self.crash() }
            return .success("attempt \(context.attempt)")
        }
        Handle("stubborn", concurrency: 1) { _, _ in
            // Ignores its cancellation for 5 s.
            await withCheckedContinuation { continuation in
                DispatchQueue.global().asyncAfter(deadline: .now() + 5) { continuation.resume() }
            }
            return .success("too late")
        }
        Handle("limited", timeLimit: .milliseconds(100)) { _, context in
            if context.attempt == 1 { try await Task.sleep(for: .seconds(20)) }
            return .success("attempt \(context.attempt)")
        }
        Handle("once", atMostOnce: true) { event, context in
            context.logger.warning("ran once", metadata: ["id": "\(event.text(of: "id") ?? "")"])
            if event.text(of: "crash") != nil { Self.crash() }
            return .success("attempt \(context.attempt)")
        }
        Handle("resource") { event, _ in
            if let end = event.text(of: "end") { Self.resource.end(end) }
            try await Task.sleep(for: .milliseconds(event.text(of: "ms").flatMap { Int($0) } ?? 0))
            return .success(Self.resource.isOpen ? "open" : "closed")
        }
    }

    /// Fails with the text of SCRIPTED_START, if that is set, or waits for a signal where it says so.
    init() async throws {
        guard let start = getenv("SCRIPTED_START").map({ String(cString: $0) }) else { return }
        guard start == "wait" else { throw Unable(description: start) }
        let signals = await UnixSignalsSequence(trapping: .sigusr1)
        Logger(label: "start").info("waiting for SIGUSR1")
        _ = await signals.first { _ in true }
    }

    private static func crash() -> Never {
        kill(getpid(), SIGKILL)
        while true { pause() }
    }
}
