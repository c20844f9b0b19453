import NIOCore

/// One response, whole.
struct Response: Sendable, Equatable {
    var status: Int
    var body: ByteBuffer
    /// The connection is of no further use.
    var closes: Bool
}

/// Reads the responses of one connection, one at a time: HTTP/1.1 as far as an answer to a POST needs it.
///
/// A general decoder makes a head with all its fields out of each response, which would cost several times as much as
/// all else that is done for a call.
struct ResponseReader {
    /// Bytes that came in something else than a response.
    struct Malformed: Error, Equatable {}

    private enum Length: Equatable {
        case bytes(Int)
        case chunked
        case untilClose
    }

    private struct Head {
        var status = 0
        var length = Length.untilClose
        var closes = false
        /// Where the body begins.
        var end = 0
    }

    private static let longest = 64 << 20

    private var pending = ByteBuffer()
    /// So many bytes must be there before another look is worth it.
    private var needed = 0

    /// Takes bytes in; returns the response when it is whole.
    mutating func read(_ bytes: ByteBuffer) throws(Malformed) -> Response? {
        var bytes = bytes
        if self.pending.readableBytes > 0 {
            self.pending.writeBuffer(&bytes)
            guard self.pending.readableBytes >= self.needed else { return nil }
            bytes = self.pending
        }
        guard let response = try self.parse(&bytes, atEnd: false) else {
            guard bytes.readableBytes <= Self.longest else { throw Malformed() }
            self.pending = bytes
            return nil
        }
        // There is one call at a time: nothing follows its response.
        guard bytes.readableBytes == 0 else { throw Malformed() }
        self.reset()
        return response
    }

    /// The connection has closed; returns the response that ended with it.
    mutating func finish() -> Response? {
        var bytes = self.pending
        defer { self.reset() }
        return try? self.parse(&bytes, atEnd: true)
    }

    private mutating func reset() {
        self.pending = ByteBuffer()
        self.needed = 0
    }

    /// Takes a whole response from `bytes`; nil leaves them for later.
    private mutating func parse(_ bytes: inout ByteBuffer, atEnd: Bool) throws(Malformed) -> Response? {
        guard var head = try Self.head(of: bytes) else { return nil }
        while (100..<200).contains(head.status), head.status != 101 {
            bytes.moveReaderIndex(forwardBy: head.end)
            guard let next = try Self.head(of: bytes) else { return nil }
            head = next
        }
        switch head.length {
        case .bytes(let count):
            self.needed = head.end + count
            guard bytes.readableBytes >= self.needed else { return nil }
            bytes.moveReaderIndex(forwardBy: head.end)
            return Response(
                status: head.status,
                body: bytes.readSlice(length: count) ?? ByteBuffer(),
                closes: head.closes
            )
        case .chunked:
            self.needed = 0
            var rest = bytes
            rest.moveReaderIndex(forwardBy: head.end)
            guard let body = try ChunkedBody.read(from: &rest) else { return nil }
            bytes = rest
            return Response(status: head.status, body: body, closes: head.closes)
        case .untilClose:
            guard atEnd else { return nil }
            bytes.moveReaderIndex(forwardBy: head.end)
            return Response(status: head.status, body: bytes, closes: true)
        }
    }

    /// The head, if it is all there.
    private static func head(of bytes: ByteBuffer) throws(Malformed) -> Head? {
        let head: Result<Head?, Malformed> = bytes.withUnsafeReadableBytes { bytes in
            do throws(Malformed) {
                return .success(try self.head(of: bytes))
            } catch {
                return .failure(error)
            }
        }
        return try head.get()
    }

    private static func head(of bytes: UnsafeRawBufferPointer) throws(Malformed) -> Head? {
        var head = Head()
        var lines = Lines(bytes)
        guard let first = lines.next() else { return nil }
        try self.read(statusLine: first, into: &head)
        while let line = lines.next() {
            if line.isEmpty {
                head.end = lines.offset
                if head.status == 204 || head.status == 304 { head.length = .bytes(0) }
                return head
            }
            try self.read(field: line, into: &head)
        }
        guard bytes.count < 64 << 10 else { throw Malformed() }
        return nil
    }

    /// `HTTP/1.1 200 OK`.
    private static func read(statusLine line: UnsafeRawBufferPointer, into head: inout Head) throws(Malformed) {
        guard line.count >= 12, line.starts(with: "HTTP/1.".utf8), line[8] == UInt8(ascii: " ") else {
            throw Malformed()
        }
        for digit in line[9..<12] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { throw Malformed() }
            head.status = head.status * 10 + Int(digit - UInt8(ascii: "0"))
        }
        head.closes = line[7] == UInt8(ascii: "0")
    }

    private static func read(field line: UnsafeRawBufferPointer, into head: inout Head) throws(Malformed) {
        switch line[0] | 0x20 {
        case UInt8(ascii: "c"):
            if let value = self.value(of: "content-length", in: line) {
                guard head.length != .chunked else { return }
                guard let count = Int(value), (0...self.longest).contains(count) else { throw Malformed() }
                head.length = .bytes(count)
            } else if let value = self.value(of: "connection", in: line) {
                head.closes = value.lowercased() == "close"
            }
        case UInt8(ascii: "t"):
            guard let value = self.value(of: "transfer-encoding", in: line) else { return }
            guard value.lowercased() == "chunked" else { throw Malformed() }
            head.length = .chunked
        default: break
        }
    }

    /// The value of a field, if the line is that field.
    private static func value(of name: StaticString, in line: UnsafeRawBufferPointer) -> String? {
        guard line.count > name.utf8CodeUnitCount, line[name.utf8CodeUnitCount] == UInt8(ascii: ":") else { return nil }
        for index in 0..<name.utf8CodeUnitCount where line[index] | 0x20 != name.utf8Start[index] | 0x20 { return nil }
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var value = line[(name.utf8CodeUnitCount + 1)...].drop(while: isBlank)
        while let last = value.last, isBlank(last) { value.removeLast() }
        return String(decoding: value, as: UTF8.self)
    }
}

/// The lines of some bytes, without their ends.
private struct Lines {
    private let bytes: UnsafeRawBufferPointer
    /// Where the next line begins.
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// The next whole line.
    mutating func next() -> UnsafeRawBufferPointer? {
        guard let end = self.bytes[self.offset...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let hasReturn = end > self.offset && self.bytes[end - 1] == UInt8(ascii: "\r")
        let line = UnsafeRawBufferPointer(rebasing: self.bytes[self.offset..<(hasReturn ? end - 1 : end)])
        self.offset = end + 1
        return line
    }
}
