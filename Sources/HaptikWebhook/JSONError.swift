/// Why some bytes are not strict JSON, and where.
///
/// Never holds or quotes anything of the document.
public struct JSONError: Error, Sendable, Hashable {
    /// What is wrong with the document.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// There is nothing but whitespace.
        case emptyDocument
        /// The document starts with a byte order mark.
        case byteOrderMark
        /// A byte sequence is not UTF-8: overlong, truncated, a surrogate, or another encoding altogether.
        case notUTF8
        /// The text does not follow the grammar of JSON.
        case syntax
        /// The document ends too early.
        case unexpectedEnd
        /// A control character in a string is not escaped.
        case controlCharacter
        /// An escape sequence in a string does not exist or is not complete.
        case invalidEscape
        /// A `\u` escape is one half of a surrogate pair without the other.
        case loneSurrogate
        /// Two keys of one object are the same.
        case duplicateKey
        /// A key with escapes or characters beyond ASCII is longer than ``JSONValue/maximumKeyLength`` bytes of UTF-8.
        case keyTooLong
        /// Arrays and objects are nested deeper than ``JSONValue/maximumDepth`` levels.
        case tooDeep
        /// A number is longer than ``JSONValue/maximumNumberLength`` characters.
        case numberTooLong
        /// There is text after the end of the document.
        case trailingText
    }

    /// What is wrong with the document.
    public let code: Code

    /// Where it is wrong, in bytes from the start of the document, counted from 0.
    public let offset: Int

    /// What is wrong, in words.
    let reason: String

    init(_ code: Code, at offset: Int, _ reason: String) {
        self.code = code
        self.offset = offset
        self.reason = reason
    }
}

extension JSONError: CustomStringConvertible {
    /// What is wrong and at which byte, without quoting the document.
    public var description: String { "\(reason) (at byte \(offset))" }
}
