/// Why a body is not an event that Haptik's integration page describes.
///
/// Meant for the sender: it may name keys of the body, shortened and with control characters escaped, and never holds
/// any of its values.
public struct ContractError: Error, Sendable, Hashable {
    /// What is wrong with the body.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The body is not strict JSON.
        case json
        /// The body is JSON, but not an object.
        case notAnObject
        /// A key that must be there is missing.
        case missing
        /// A value has the wrong type.
        case wrongType
        /// The name of the node is empty, too long, or holds a NUL.
        case invalidNode
        /// `node` and `step` are both there, and differ.
        case ambiguousNode
    }

    /// What is wrong with the body.
    public let code: Code

    /// What is wrong with the body, in a few words for its sender.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: JSONError) {
        self.init(.json, "the body is not strict JSON: \(error)")
    }
}

extension ContractError: CustomStringConvertible {
    /// The same as ``message``.
    public var description: String { message }
}

extension ContractError {
    /// A key of the body as a message may show it: at most 64 characters, and nothing that is invisible as it is.
    static func shown(_ key: String) -> String {
        var shown = ""
        for scalar in key.unicodeScalars.prefix(64) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                shown.unicodeScalars.append(scalar)
            }
        }
        return key.unicodeScalars.count > 64 ? shown + "…" : shown
    }
}
