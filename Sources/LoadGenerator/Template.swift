import NIOCore

/// A text in which `{{n}}` stands for the number of a call.
package struct Template: Sendable, Hashable {
    private static let placeholder = Array("{{n}}".utf8)

    /// What lies before, between and after the placeholders.
    private let pieces: [[UInt8]]

    package init(_ bytes: [UInt8]) {
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while let place = rest.firstRange(of: Self.placeholder) {
            pieces.append(Array(rest[..<place.lowerBound]))
            rest = rest[place.upperBound...]
        }
        self.pieces = pieces + [Array(rest)]
    }

    package init(_ text: String) { self.init(Array(text.utf8)) }

    /// How many bytes the text has where the number has so many digits.
    func count(digits: Int) -> Int {
        self.pieces.reduce((self.pieces.count - 1) * digits) { $0 + $1.count }
    }

    /// Appends the text for a call.
    func write(_ number: String, to buffer: inout ByteBuffer) {
        for (index, piece) in self.pieces.enumerated() {
            if index > 0 { buffer.writeString(number) }
            buffer.writeBytes(piece)
        }
    }

    /// Whether a reply contains the text for a call, and not that for another, whose number begins or ends as this one's.
    func isContained(in reply: ByteBuffer, number: String) -> Bool {
        let length = self.count(digits: number.utf8.count)
        return reply.withUnsafeReadableBytes { reply in
            guard length <= reply.count else { return false }
            let first = self.pieces[0].first ?? number.utf8.first ?? 0
            for start in 0...(reply.count - length) where length == 0 || reply[start] == first {
                let end = start + length
                guard self.matches(UnsafeRawBufferPointer(rebasing: reply[start..<end]), number) else { continue }
                if self.beginsWithNumber, start > 0, Self.isDigit(reply[start - 1]) { continue }
                if self.endsWithNumber, end < reply.count, Self.isDigit(reply[end]) { continue }
                return true
            }
            return false
        }
    }

    private var beginsWithNumber: Bool { self.pieces.count > 1 && self.pieces[0].isEmpty }

    private var endsWithNumber: Bool { self.pieces.count > 1 && self.pieces[self.pieces.count - 1].isEmpty }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Whether these bytes, of the right length, are the text for a call.
    private func matches(_ bytes: UnsafeRawBufferPointer, _ number: String) -> Bool {
        var offset = 0
        for (index, piece) in self.pieces.enumerated() {
            if index > 0 {
                for digit in number.utf8 {
                    guard bytes[offset] == digit else { return false }
                    offset += 1
                }
            }
            for byte in piece {
                guard bytes[offset] == byte else { return false }
                offset += 1
            }
        }
        return true
    }
}
