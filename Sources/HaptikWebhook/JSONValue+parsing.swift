extension JSONValue {
    /// Parses a strict JSON document.
    ///
    /// Strict is: RFC 8259; UTF-8 without a byte order mark; no key twice in one object; no lone surrogates; the limits
    /// ``maximumDepth``, ``maximumNumberLength`` and ``maximumKeyLength``. The time is linear in the number of bytes.
    ///
    /// - Parameter bytes: The whole document.
    /// - Throws: A ``JSONError`` that says what is wrong at which byte.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
        self = try JSONScanner.scan(bytes) { (scanner: inout JSONScanner) throws(JSONError) in try scanner.value() }
    }

    /// Parses a strict JSON document, as ``init(parsing:)-(UnsafeRawBufferPointer)`` does.
    ///
    /// - Parameter bytes: The whole document.
    /// - Throws: A ``JSONError`` that says what is wrong at which byte.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        self = try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
            try JSONValue(parsing: UnsafeRawBufferPointer(buffer))
        }
    }

    /// Parses a strict JSON document, as ``init(parsing:)-(UnsafeRawBufferPointer)`` does.
    ///
    /// - Parameter text: The whole document.
    /// - Throws: A ``JSONError`` that says what is wrong at which byte of the text's UTF-8.
    public init(parsing text: String) throws(JSONError) {
        try self.init(parsing: Array(text.utf8))
    }
}

extension JSONScanner {
    /// Consumes the value that comes next and builds it, recursively down to ``JSONValue/maximumDepth``.
    mutating func value() throws(JSONError) -> JSONValue {
        switch try peek() {
        case .object: return try objectValue()
        case .array: return try arrayValue()
        case .string: return .string(try unescaped(string()))
        case .number: return .number(try unescaped(number()))
        case .true:
            try literal("true")
            return .bool(true)
        case .false:
            try literal("false")
            return .bool(false)
        case .null:
            try literal("null")
            return .null
        }
    }

    private mutating func objectValue() throws(JSONError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        try object { (scanner: inout JSONScanner, key: JSONText) throws(JSONError) in
            let value = try scanner.value()
            members[try scanner.unescaped(key)] = value
        }
        return .object(members)
    }

    private mutating func arrayValue() throws(JSONError) -> JSONValue {
        var elements: [JSONValue] = []
        try array { (scanner: inout JSONScanner) throws(JSONError) in
            elements.append(try scanner.value())
        }
        return .array(elements)
    }
}
