/// What a handler makes of an event.
///
/// To have it tried again, throw: a handler that has returned is done, also where its reply is none that Haptik would take.
public struct HandlerOutcome: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case reply(Reply)
        case refusal(String)
    }

    let kind: Kind

    /// The bot says these messages: `status` true, Haptik's success response.
    public static func success(_ message: String, _ more: String...) -> HandlerOutcome {
        HandlerOutcome(kind: .reply(Reply(status: true, messages: [message] + more)))
    }

    /// The bot says these messages: `status` false, Haptik's failure response.
    ///
    /// Still a 200, and no bot break.
    public static func failure(_ message: String, _ more: String...) -> HandlerOutcome {
        HandlerOutcome(kind: .reply(Reply(status: false, messages: [message] + more)))
    }

    /// A reply with everything that the contract knows: rich messages, a message type, changed details.
    public static func reply(_ reply: Reply) -> HandlerOutcome {
        HandlerOutcome(kind: .reply(reply))
    }

    /// This event can't be handled, now or later: a 400, which is a bot break.
    ///
    /// Not tried again.
    ///
    /// - Parameter reason: for the operator, in `rejoinder.recent`; Haptik doesn't see it.
    /// - Returns: the outcome.
    public static func refuse(_ reason: String) -> HandlerOutcome {
        HandlerOutcome(kind: .refusal(reason))
    }
}
