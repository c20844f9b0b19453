/// Any JSON value, as it was sent.
///
/// A number keeps its exact text, so no digit is lost; two numbers are equal only if their texts are. An object's keys
/// have no order. ``description`` names only the kind of the value, since payloads hold personal data; the contents are
/// in ``debugDescription``.
public enum JSONValue: Sendable, Hashable {
    /// The word `null`.
    case null
    /// The word `true` or `false`.
    case bool(Bool)
    /// A number, as its exact text. A text that is no JSON number is encoded as `null`.
    case number(String)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object.
    case object([String: JSONValue])
}

extension JSONValue {
    /// How many levels of arrays and objects a document may nest.
    public static let maximumDepth = 64

    /// How many characters a number may have.
    public static let maximumNumberLength = 64

    /// How many bytes of UTF-8 a key may have if it holds escapes or characters beyond ASCII.
    ///
    /// Swift compares such keys by canonical equivalence, which takes time that grows with the square of the length.
    /// A key of plain ASCII may have any length.
    public static let maximumKeyLength = 512
}

extension JSONValue {
    /// A number that is an integer.
    public init(_ integer: Int) {
        self = .number(String(integer))
    }

    /// A number, or `null` if JSON has no such number: infinite or not a number.
    public init(_ double: Double) {
        self = double.isFinite ? .number(double.description) : .null
    }
}

extension JSONValue {
    /// The text, if this is a string.
    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The number, if this is a number without a fraction that fits an `Int`.
    ///
    /// `5`, `5.0` and `5e2` have one, `5.5` and `"5"` don't.
    public var int: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text) ?? Double(text).flatMap(Int.init(exactly:))
    }

    /// The nearest `Double`, if this is a number within its range.
    public var double: Double? {
        guard case .number(let text) = self, let number = Double(text), number.isFinite else { return nil }
        return number
    }

    /// The truth value, if this is `true` or `false`.
    public var bool: Bool? {
        guard case .bool(let flag) = self else { return nil }
        return flag
    }

    /// The elements, if this is an array.
    public var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members, if this is an object.
    public var object: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    /// Whether this is `null`.
    public var isNull: Bool { self == .null }

    /// The value of `key`; nil if this is not an object or has no such key.
    public subscript(key: String) -> JSONValue? { object?[key] }

    /// The element at `index`; nil if this is not an array or has no such element.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text of a string or number; nil for anything else.
    var scalarText: String? {
        switch self {
        case .string(let text), .number(let text): text
        case .null, .bool, .array, .object: nil
        }
    }
}

extension JSONValue: CustomStringConvertible, CustomDebugStringConvertible {
    /// What kind of value this is, without its contents.
    public var description: String {
        switch self {
        case .null: "JSON null"
        case .bool: "JSON boolean"
        case .number: "JSON number"
        case .string: "JSON string"
        case .array(let elements): "JSON array (count: \(elements.count))"
        case .object(let members): "JSON object (count: \(members.count))"
        }
    }

    /// The value as JSON text, with all of its contents: not for logs.
    public var debugDescription: String { String(decoding: encoded(), as: UTF8.self) }
}
