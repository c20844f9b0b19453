package import EventQueue
import Logging

extension Handle {
    /// How long a handler may take to heed its cancellation before it is complained of.
    package static let patience = Duration.seconds(2)

    /// One attempt at an event, in the worker and in tests of handlers alike: reads the event, runs the handler, and holds
    /// its reply against the contract.
    ///
    /// - Parameters:
    ///   - body: the call's body, as Haptik sent it.
    ///   - context: what the handler is told about the attempt.
    ///   - around: what is done around the handler.
    /// - Returns: how the attempt ended, unless it was ended from outside before.
    package func attempt(
        at body: [UInt8],
        context: HandlerContext,
        around: (() async throws -> HandlerOutcome) async throws -> HandlerOutcome = { try await $0() }
    ) async -> AttemptOutcome {
        let event: WebhookEvent
        do throws(ContractError) {
            event = try WebhookEvent(parsing: body)
        } catch {
            return .failed(code: "invalid_event", error: error.message)
        }
        do {
            switch try await around({ try await self.body(event, context) }).kind {
            case .reply(let reply): return Self.answer(reply, context)
            case .refusal(let reason): return .failed(code: "refused", error: Self.stored(reason))
            }
        } catch {
            // The text may quote the event: it goes to the database, whose rows expire, not to the log. One that is cancelled,
            // since nobody waits any more, throws as it should.
            context.logger.log(
                level: Task.isCancelled ? .debug : .error,
                "the handler threw",
                metadata: ["error.type": "\(type(of: error))"]
            )
            return .retry(code: "handler_failed", error: Self.stored("\(error)"))
        }
    }

    /// The handler has returned, and what it did elsewhere is done: where Haptik would not take its reply, another attempt
    /// would do that again.
    private static func answer(_ reply: Reply, _ context: HandlerContext) -> AttemptOutcome {
        if reply.detailsCharacters > 500 {
            context.logger.warning("the reply's details have over 500 characters, Haptik may refuse them")
        }
        do throws(ReplyError) {
            return .answered(try reply.encoded())
        } catch {
            context.logger.error("the handler's reply is invalid", metadata: ["error": "\(error)"])
            return .failed(code: "invalid_reply", error: error.message)
        }
    }

    /// PostgreSQL's text has no NUL; and a megabyte of error helps nobody.
    private static func stored(_ text: String) -> String {
        // By scalars: one that is read as a character may be a megabyte of combining marks.
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(1000))).replacing("\0", with: "\u{FFFD}")
    }
}

extension AttemptOutcome {
    /// The attempt ran into its handler's own limit.
    package static var overTimeLimit: AttemptOutcome {
        .retry(code: "time_limit", error: "the handler ran into its time limit")
    }
}
