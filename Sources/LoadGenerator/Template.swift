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

    /// Whether a reply contains the text for a call.
    func isContained(in reply: ByteBuffer, number: String) -> Bool {
        var text = ByteBuffer()
        text.reserveCapacity(self.count(digits: number.utf8.count))
        self.write(number, to: &text)
        return reply.withUnsafeReadableBytes { reply in
            text.withUnsafeReadableBytes { Self.contains($0, in: reply) }
        }
    }

    private static func contains(_ text: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = text.first else { return true }
        guard text.count <= bytes.count else { return false }
        for start in 0...(bytes.count - text.count) where bytes[start] == first {
            if UnsafeRawBufferPointer(rebasing: bytes[start..<start + text.count]).elementsEqual(text) { return true }
        }
        return false
    }
}
