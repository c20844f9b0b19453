import HaptikWebhook
import NIOCore

/// Renders signed calls to one target, each as one buffer.
struct RequestRenderer {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Up to the signature's digits.
    private let head: ByteBuffer
    private let body: Template
    private let signer: SignatureVerifier
    /// Used again when the last request has been written.
    private var buffer = ByteBuffer()

    init(_ target: LoadTarget, body: Template, signer: SignatureVerifier, closing: Bool) {
        self.head = ByteBuffer(
            string: """
                POST \(target.path) HTTP/1.1\r
                Host: \(target.authority)\r
                User-Agent: rejoinder-load\r
                Content-Type: application/json\r
                \(closing ? "Connection: close\r\n" : "")\
                X-Hub-Signature: \(signer.algorithm.rawValue)=
                """
        )
        self.body = body
        self.signer = signer
    }

    /// The call with this number.
    mutating func request(_ number: String) -> ByteBuffer {
        let bodyLength = self.body.count(digits: number.utf8.count)
        let signatureLength = 2 * self.signer.algorithm.digestLength
        self.buffer.clear()
        self.buffer.reserveCapacity(self.head.readableBytes + signatureLength + 32 + bodyLength)
        self.buffer.writeImmutableBuffer(self.head)
        let signatureAt = self.buffer.writerIndex
        self.buffer.writeRepeatingByte(0, count: signatureLength)
        self.buffer.writeStaticString("\r\nContent-Length: ")
        self.buffer.writeString("\(bodyLength)")
        self.buffer.writeStaticString("\r\n\r\n")
        self.body.write(number, to: &self.buffer)
        self.sign(bodyLength, at: signatureAt)
        return self.buffer
    }

    private mutating func sign(_ bodyLength: Int, at signatureAt: Int) {
        let signer = self.signer
        let digits = Self.digits
        self.buffer.withUnsafeMutableReadableBytes { bytes in
            let body = UnsafeRawBufferPointer(rebasing: bytes.suffix(bodyLength))
            for (index, byte) in signer.signature(of: body).enumerated() {
                bytes[signatureAt + 2 * index] = digits[Int(byte >> 4)]
                bytes[signatureAt + 2 * index + 1] = digits[Int(byte & 15)]
            }
        }
    }
}
