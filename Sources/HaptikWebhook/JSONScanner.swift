/// A cursor over one JSON document that judges it strictly and hands out its parts in order.
///
/// It reads every byte once and builds nothing: its user decides what becomes a value. The only memory that it takes is
/// one array with the keys of the objects that are open. It does not own `bytes`, which must outlive it.
struct JSONScanner {
    /// What a value is, told by its first character.
    enum Kind {
        case object, array, string, number, `true`, `false`, null
    }

    let bytes: UnsafeRawBufferPointer

    /// The next byte to read, never beyond the end.
    var position = 0

    /// The keys of the objects that are open, the innermost object's last.
    private var keys: [JSONText] = []
    private var depth = 0

    /// Reads a whole document: what `read` must consume is exactly one value.
    static func scan<Result>(
        _ bytes: UnsafeRawBufferPointer,
        _ read: (inout JSONScanner) throws(JSONError) -> Result
    ) throws(JSONError) -> Result {
        var scanner = JSONScanner(bytes: bytes)
        try scanner.checkStart()
        let result = try read(&scanner)
        try scanner.checkEnd()
        return result
    }

    private init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        keys.reserveCapacity(32)
    }

    /// Tells the kind of the value that comes next, and consumes nothing of it.
    mutating func peek() throws(JSONError) -> Kind {
        switch try nextByte() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"): return .true
        case UInt8(ascii: "f"): return .false
        case UInt8(ascii: "n"): return .null
        default: throw unexpected("a value was expected")
        }
    }

    /// Consumes the value that comes next, whatever it is.
    mutating func skip() throws(JSONError) {
        switch try peek() {
        case .object:
            try object { (scanner: inout JSONScanner, _) throws(JSONError) in try scanner.skip() }
        case .array:
            try array { (scanner: inout JSONScanner) throws(JSONError) in try scanner.skip() }
        case .string: _ = try string()
        case .number: _ = try number()
        case .true: try literal("true")
        case .false: try literal("false")
        case .null: try literal("null")
        }
    }

    /// Consumes an object.
    ///
    /// `member` must consume the value of the key that it is given.
    @inline(__always)
    mutating func object(
        _ member: (inout JSONScanner, JSONText) throws(JSONError) -> Void
    ) throws(JSONError) {
        try open()
        let first = keys.count
        var more = try !closes(UInt8(ascii: "}"))
        while more {
            let key = try key()
            keys.append(key)
            try member(&self, key)
            more = try continues(until: UInt8(ascii: "}"), else: "a `,` or `}` was expected")
        }
        if keys.count > first + 1 {
            try checkDuplicates(keys[first...])
        }
        keys.removeLast(keys.count - first)
        depth -= 1
    }

    /// Consumes an array.
    ///
    /// `element` must consume one value.
    @inline(__always)
    mutating func array(_ element: (inout JSONScanner) throws(JSONError) -> Void) throws(JSONError) {
        try open()
        var more = try !closes(UInt8(ascii: "]"))
        while more {
            try element(&self)
            more = try continues(until: UInt8(ascii: "]"), else: "a `,` or `]` was expected")
        }
        depth -= 1
    }

    /// Consumes one of JSON's three words.
    mutating func literal(_ word: StaticString) throws(JSONError) {
        guard bytes.count - position >= word.utf8CodeUnitCount else {
            throw unexpected("a value was expected")
        }
        for index in 0..<word.utf8CodeUnitCount where bytes[position + index] != word.utf8Start[index] {
            throw unexpected("a value was expected")
        }
        position += word.utf8CodeUnitCount
    }
}

extension JSONScanner {
    /// Consumes a key and the colon after it.
    private mutating func key() throws(JSONError) -> JSONText {
        guard try nextByte() == UInt8(ascii: "\"") else {
            throw unexpected("a key in quotes was expected")
        }
        let key = try string()
        if !key.isPlain, key.count > JSONValue.maximumKeyLength { try checkLength(of: key) }
        guard try nextByte() == UInt8(ascii: ":") else {
            throw unexpected("a `:` was expected after a key")
        }
        position += 1
        return key
    }

    /// In UTF-8: an escape takes six bytes for a character of one to three.
    private func checkLength(of key: JSONText) throws(JSONError) {
        let limit = JSONValue.maximumKeyLength
        if key.count <= 6 * limit, try unescaped(key).utf8.count <= limit { return }
        throw JSONError(.keyTooLong, at: key.offset, "a key beyond ASCII is longer than \(limit) bytes")
    }

    /// Consumes the first character of an array or object.
    private mutating func open() throws(JSONError) {
        guard depth < JSONValue.maximumDepth else {
            throw JSONError(.tooDeep, at: position, "more than \(JSONValue.maximumDepth) levels are nested")
        }
        depth += 1
        position += 1
    }

    /// Consumes `closer` if an array or object ends before its first element.
    private mutating func closes(_ closer: UInt8) throws(JSONError) -> Bool {
        guard try nextByte() == closer else { return false }
        position += 1
        return true
    }

    /// Consumes what follows an element: a comma (true) or `closer` (false).
    private mutating func continues(until closer: UInt8, else reason: String) throws(JSONError) -> Bool {
        let byte = try nextByte()
        guard byte == closer || byte == UInt8(ascii: ",") else {
            throw unexpected(reason)
        }
        position += 1
        return byte != closer
    }

    /// Consumes whitespace and returns the byte after it, which is not consumed.
    private mutating func nextByte() throws(JSONError) -> UInt8 {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            case let byte: return byte
            }
        }
        throw JSONError(.unexpectedEnd, at: position, "the document ends too early")
    }

    /// The error for a byte that does not belong where it is.
    private func unexpected(_ reason: String) -> JSONError {
        guard bytes[position] < 0x80 || sequenceLength(at: position) != nil else { return notUTF8(at: position) }
        return JSONError(.syntax, at: position, reason)
    }
}

extension JSONScanner {
    private mutating func checkStart() throws(JSONError) {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw JSONError(.byteOrderMark, at: 0, "the document starts with a byte order mark")
        }
        // UTF-16 and UTF-32 have a NUL among the first two bytes of ASCII; JSON itself never has one.
        if let index = bytes.prefix(2).firstIndex(of: 0) {
            throw notUTF8(at: index)
        }
        do throws(JSONError) {
            _ = try nextByte()
        } catch {
            throw JSONError(.emptyDocument, at: 0, "the document is empty")
        }
    }

    private mutating func checkEnd() throws(JSONError) {
        guard (try? nextByte()) != nil else { return }
        throw JSONError(.trailingText, at: position, "there is text after the end of the document")
    }
}
