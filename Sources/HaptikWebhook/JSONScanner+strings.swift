extension JSONScanner {
    /// Consumes a string.
    mutating func string() throws(JSONError) -> JSONText {
        let start = position + 1
        var cursor = start
        var isEscaped = false
        var isASCII = true
        while true {
            cursor = endOfPlainText(from: cursor)
            guard cursor < bytes.count else {
                throw JSONError(.unexpectedEnd, at: cursor, "the document ends within a string")
            }
            switch bytes[cursor] {
            case UInt8(ascii: "\""):
                position = cursor + 1
                return JSONText(
                    offset: start,
                    count: cursor - start,
                    isEscaped: isEscaped,
                    isPlain: isASCII && !isEscaped
                )
            case UInt8(ascii: "\\"):
                isEscaped = true
                cursor = try escape(at: cursor).end
            case 0..<0x20:
                throw JSONError(.controlCharacter, at: cursor, "a control character is not escaped")
            default:
                guard let length = sequenceLength(at: cursor) else { throw notUTF8(at: cursor) }
                isASCII = false
                cursor += length
            }
        }
    }

    /// The text of a string that was consumed, its escapes resolved.
    func unescaped(_ text: JSONText) throws(JSONError) -> String {
        guard text.isEscaped else { return String(decoding: raw(text), as: UTF8.self) }
        var utf8: [UInt8] = []
        utf8.reserveCapacity(text.count)
        var cursor = text.offset
        let end = text.offset + text.count
        while cursor < end {
            if bytes[cursor] == UInt8(ascii: "\\") {
                let (scalar, next) = try escape(at: cursor)
                utf8.append(contentsOf: scalar.utf8)
                cursor = next
            } else {
                utf8.append(bytes[cursor])
                cursor += 1
            }
        }
        return String(decoding: utf8, as: UTF8.self)
    }

    /// Whether a string that was consumed is the ASCII text `name`, its escapes resolved.
    func text(_ text: JSONText, is name: StaticString) throws(JSONError) -> Bool {
        guard !text.isEscaped else { return try unescaped(text) == name.description }
        guard text.count == name.utf8CodeUnitCount else { return false }
        for index in 0..<text.count where bytes[text.offset + index] != name.utf8Start[index] {
            return false
        }
        return true
    }

    /// The bytes of a string or number that was consumed, as they are in the document.
    func raw(_ text: JSONText) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[text.offset..<text.offset + text.count])
    }
}

extension JSONScanner {
    /// The first byte from `cursor` on that is not a plain ASCII character of a string, eight bytes at a time.
    private func endOfPlainText(from cursor: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var cursor = cursor
        while bytes.count - cursor >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: cursor, as: UInt64.self))
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            // The lowest high bit that is set marks the first byte that is zero, or less than 0x20, or not ASCII.
            let zeros = (quote &- ones) & ~quote | (backslash &- ones) & ~backslash
            let controls = (word &- ones &* 0x20) & ~word
            let marks = (zeros | controls | word) & (ones &* 0x80)
            if marks != 0 {
                return cursor + marks.trailingZeroBitCount / 8
            }
            cursor += 8
        }
        while cursor < bytes.count {
            let byte = bytes[cursor]
            guard byte >= 0x20, byte < 0x80, byte != 0x22, byte != 0x5C else { break }
            cursor += 1
        }
        return cursor
    }

    /// The character that the escape at `start` stands for, and the byte after it.
    private func escape(at start: Int) throws(JSONError) -> (scalar: Unicode.Scalar, end: Int) {
        guard start + 1 < bytes.count else {
            throw JSONError(.unexpectedEnd, at: bytes.count, "the document ends within a string")
        }
        switch bytes[start + 1] {
        case UInt8(ascii: "\""): return ("\"", start + 2)
        case UInt8(ascii: "\\"): return ("\\", start + 2)
        case UInt8(ascii: "/"): return ("/", start + 2)
        case UInt8(ascii: "b"): return ("\u{8}", start + 2)
        case UInt8(ascii: "f"): return ("\u{C}", start + 2)
        case UInt8(ascii: "n"): return ("\n", start + 2)
        case UInt8(ascii: "r"): return ("\r", start + 2)
        case UInt8(ascii: "t"): return ("\t", start + 2)
        case UInt8(ascii: "u"): return try unicodeEscape(at: start)
        default: throw JSONError(.invalidEscape, at: start, "an escape sequence does not exist")
        }
    }

    private func unicodeEscape(at start: Int) throws(JSONError) -> (scalar: Unicode.Scalar, end: Int) {
        let first = try codeUnit(ofEscapeAt: start)
        if let scalar = Unicode.Scalar(first) {
            return (scalar, start + 6)
        }
        let loneSurrogate = JSONError(.loneSurrogate, at: start, "a surrogate lacks its other half")
        guard first < 0xDC00, start + 7 < bytes.count,
            bytes[start + 6] == UInt8(ascii: "\\"), bytes[start + 7] == UInt8(ascii: "u")
        else {
            throw loneSurrogate
        }
        let second = try codeUnit(ofEscapeAt: start + 6)
        let combined = 0x10000 + (UInt32(first) & 0x3FF) << 10 + (UInt32(second) & 0x3FF)
        guard 0xDC00...0xDFFF ~= second, let scalar = Unicode.Scalar(combined) else { throw loneSurrogate }
        return (scalar, start + 12)
    }

    private func codeUnit(ofEscapeAt start: Int) throws(JSONError) -> UInt16 {
        guard start + 6 <= bytes.count else {
            throw JSONError(.unexpectedEnd, at: bytes.count, "the document ends within a string")
        }
        var value: UInt16 = 0
        for index in start + 2..<start + 6 {
            guard let digit = hexValue(of: bytes[index]) else {
                throw JSONError(.invalidEscape, at: start, "a `\\u` escape lacks its four hexadecimal digits")
            }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    /// The length of the UTF-8 sequence at `start`, a byte beyond ASCII; nil if it is not strictly valid.
    func sequenceLength(at start: Int) -> Int? {
        func byte(_ index: Int) -> UInt8 { start + index < bytes.count ? bytes[start + index] : 0 }
        func continues(_ index: Int) -> Bool { 0x80...0xBF ~= byte(index) }
        switch (bytes[start], byte(1)) {
        case (0xC2...0xDF, 0x80...0xBF):
            return 2
        case (0xE0, 0xA0...0xBF), (0xE1...0xEC, 0x80...0xBF), (0xED, 0x80...0x9F), (0xEE...0xEF, 0x80...0xBF):
            return continues(2) ? 3 : nil
        case (0xF0, 0x90...0xBF), (0xF1...0xF3, 0x80...0xBF), (0xF4, 0x80...0x8F):
            return continues(2) && continues(3) ? 4 : nil
        default:
            return nil
        }
    }

    func notUTF8(at offset: Int) -> JSONError {
        JSONError(.notUTF8, at: offset, "the document is not valid UTF-8")
    }
}
