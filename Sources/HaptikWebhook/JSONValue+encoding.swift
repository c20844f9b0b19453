extension JSONValue {
    /// The value as compact JSON in UTF-8, the keys of each object sorted, so that equal values have equal texts.
    public func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.write(self)
        return writer.bytes
    }
}

/// Appends JSON to bytes.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []

    /// Appends text that is JSON already.
    mutating func write(raw text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: write(raw: "null")
        case .bool(true): write(raw: "true")
        case .bool(false): write(raw: "false")
        case .number(let text): write(number: text)
        case .string(let text): write(text)
        case .array(let elements): write(elements)
        case .object(let members): write(members)
        }
    }

    mutating func write(_ elements: [JSONValue]) {
        bytes.append(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 {
                bytes.append(UInt8(ascii: ","))
            }
            write(element)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    mutating func write(_ members: [String: JSONValue]) {
        bytes.append(UInt8(ascii: "{"))
        for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
            if index > 0 {
                bytes.append(UInt8(ascii: ","))
            }
            write(member.key)
            bytes.append(UInt8(ascii: ":"))
            write(member.value)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    mutating func write(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): write(raw: #"\""#)
            case UInt8(ascii: "\\"): write(raw: #"\\"#)
            case UInt8(ascii: "\n"): write(raw: #"\n"#)
            case UInt8(ascii: "\r"): write(raw: #"\r"#)
            case UInt8(ascii: "\t"): write(raw: #"\t"#)
            case 0..<0x20:
                write(raw: #"\u00"#)
                bytes.append(hexDigits[Int(byte >> 4)])
                bytes.append(hexDigits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends the text of a number; `null` for a text that a reader would refuse.
    private mutating func write(number text: String) {
        if JSONScanner.isNumber(text) {
            bytes.append(contentsOf: text.utf8)
        } else {
            write(raw: "null")
        }
    }
}

extension JSONScanner {
    /// Whether `text` is a JSON number and nothing else.
    fileprivate static func isNumber(_ text: String) -> Bool {
        Array(text.utf8).withUnsafeBufferPointer { buffer in
            let length = try? scan(UnsafeRawBufferPointer(buffer)) { (scanner: inout JSONScanner) throws(JSONError) in
                guard try scanner.peek() == .number else { return -1 }
                return try scanner.number().count
            }
            return length == buffer.count
        }
    }
}
