import NIOCore

/// A body in chunks (RFC 9112, 7.1).
enum ChunkedBody {
    /// Takes the whole body from `bytes`; nil when it is not all there.
    static func read(from bytes: inout ByteBuffer) throws(ResponseReader.Malformed) -> ByteBuffer? {
        var body = ByteBuffer()
        while true {
            guard let line = self.line(of: &bytes) else { return nil }
            let digits = line.prefix { $0 != ";" && $0 != " " }
            guard let count = Int(digits, radix: 16), count >= 0 else { throw ResponseReader.Malformed() }
            guard count > 0 else { return self.skipTrailer(&bytes) ? body : nil }
            guard var chunk = bytes.readSlice(length: count) else { return nil }
            body.writeBuffer(&chunk)
            guard let end = self.line(of: &bytes) else { return nil }
            guard end.isEmpty else { throw ResponseReader.Malformed() }
        }
    }

    private static func skipTrailer(_ bytes: inout ByteBuffer) -> Bool {
        while let line = self.line(of: &bytes) {
            if line.isEmpty { return true }
        }
        return false
    }

    private static func line(of bytes: inout ByteBuffer) -> String? {
        guard let end = bytes.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        guard let line = bytes.readString(length: end + 1 - bytes.readerIndex) else { return nil }
        let text = line.utf8.dropLast()
        return String(decoding: text.last == UInt8(ascii: "\r") ? text.dropLast() : text, as: UTF8.self)
    }
}
