/// Why a reply must not be sent to Haptik.
///
/// Never holds anything of the reply's contents.
public struct ReplyError: Error, Sendable, Hashable {
    /// What is wrong with the reply.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// There is no message, or every message is empty: Haptik would show a bot break.
        case noMessages
        /// The reply is longer than ``Reply/maximumLength`` bytes.
        case tooLarge
        /// The reply is not strict JSON.
        case json
        /// The reply is JSON, but not an object.
        case notAnObject
        /// A key that must be there is missing.
        case missing
        /// A value has the wrong type.
        case wrongType
    }

    /// What is wrong with the reply.
    public let code: Code

    /// What is wrong with the reply, in a few words for the author of the handler.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension ReplyError: CustomStringConvertible {
    /// The same as ``message``.
    public var description: String { message }
}
