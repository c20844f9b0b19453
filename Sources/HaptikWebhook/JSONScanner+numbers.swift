extension JSONScanner {
    /// Consumes a number, whose text is kept as it is.
    mutating func number() throws(JSONError) -> JSONText {
        let start = position
        if currentByte == UInt8(ascii: "-") {
            position += 1
        }
        if currentByte == UInt8(ascii: "0") {
            position += 1
            if isDigit {
                throw JSONError(.syntax, at: position, "a number has a leading zero")
            }
        } else {
            try digits()
        }
        if currentByte == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if currentByte == UInt8(ascii: "e") || currentByte == UInt8(ascii: "E") {
            position += 1
            if currentByte == UInt8(ascii: "+") || currentByte == UInt8(ascii: "-") {
                position += 1
            }
            try digits()
        }
        guard position - start <= JSONValue.maximumNumberLength else {
            let limit = JSONValue.maximumNumberLength
            throw JSONError(.numberTooLong, at: start, "a number is longer than \(limit) characters")
        }
        return JSONText(offset: start, count: position - start, isEscaped: false, isPlain: true)
    }

    /// Consumes at least one digit.
    private mutating func digits() throws(JSONError) {
        guard isDigit else {
            guard position < bytes.count else {
                throw JSONError(.unexpectedEnd, at: position, "the document ends within a number")
            }
            throw JSONError(.syntax, at: position, "a digit was expected")
        }
        while isDigit {
            position += 1
        }
    }

    /// The byte to read next; 0, which no number has, at the end.
    private var currentByte: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= currentByte }
}
