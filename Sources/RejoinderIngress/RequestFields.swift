import NIOHTTP1

/// What the fields of a head say about the request itself, read in one pass.
///
/// The parser has seen to their syntax, and to most of what RFC 9112 has against requests that two readers could take
/// for different ones; the rest is here.
struct RequestFields {
    /// `Int.max` for what no integer holds; nil where there is none.
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var isContentEncoded = false
    /// The rest of the connection is meant to speak another protocol, so that no other request can be read from it.
    private(set) var leavesHTTP = false
    /// The sender waits for our word before it sends the body (RFC 9110, 10.1.1).
    private(set) var awaitsContinue = false
    /// Where the body ends, or whom the request is for, is not to be trusted.
    private(set) var isFaulty = false

    init(_ head: HTTPRequestHead) {
        var hosts = 0
        for (name, value) in head.headers {
            // The length alone tells most of the others.
            switch name.utf8.count {
            case 4 where name.isName("host"):
                hosts += 1
                if !Self.isHost(value) { self.isFaulty = true }
            case 6 where name.isName("expect"): self.awaitsContinue = value.lowercased() == "100-continue"
            case 7 where name.isName("upgrade"): self.leavesHTTP = true
            case 14 where name.isName("content-length"): self.contentLength = Int(value) ?? .max
            case 16 where name.isName("content-encoding"): self.isContentEncoded = true
            case 17 where name.isName("transfer-encoding"):
                // Any other coding, or one more, would have to be undone first; and the parser takes "" for no body.
                if self.isChunked || !value.isName("chunked") { self.isFaulty = true }
                self.isChunked = true
            default: break
            }
        }
        if head.method == .CONNECT { self.leavesHTTP = true }
        if head.version == .http1_0 {
            self.awaitsContinue = false
            if self.isChunked { self.isFaulty = true }  // RFC 9112, 6.1.
        } else if hosts == 0 {
            self.isFaulty = true
        }
        if hosts > 1 { self.isFaulty = true }  // RFC 9112, 3.2.
        if !self.isChunked, self.contentLength ?? 0 == 0 { self.awaitsContinue = false }
    }

    private static func isHost(_ value: String) -> Bool {
        value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "\\"),
                UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"):
                false
            default: 0x21...0x7E ~= byte
            }
        }
    }
}

extension String {
    /// Whether it is this name, which is in lower case, in upper or lower case.
    fileprivate func isName(_ name: StaticString) -> Bool {
        guard self.utf8.count == name.utf8CodeUnitCount else { return false }
        var expected = name.utf8Start
        for byte in self.utf8 {
            let lower = UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
            guard lower == expected.pointee else { return false }
            expected += 1
        }
        return true
    }
}
