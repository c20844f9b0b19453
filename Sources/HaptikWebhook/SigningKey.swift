import Crypto

/// One secret, as a HMAC that has taken in its key and is copied for each body.
enum SigningKey: Sendable {
    case sha1(HMAC<Insecure.SHA1>)
    case sha256(HMAC<SHA256>)
    case sha384(HMAC<SHA384>)
    case sha512(HMAC<SHA512>)

    init(_ algorithm: SignatureAlgorithm, _ secret: [UInt8]) {
        let key = SymmetricKey(data: secret)
        self =
            switch algorithm {
            case .sha1: .sha1(HMAC(key: key))
            case .sha256: .sha256(HMAC(key: key))
            case .sha384: .sha384(HMAC(key: key))
            case .sha512: .sha512(HMAC(key: key))
            }
    }

    /// The signature of a body.
    func signature(of body: UnsafeRawBufferPointer) -> [UInt8] {
        switch self {
        case .sha1(let hmac): Array(Self.code(hmac, body))
        case .sha256(let hmac): Array(Self.code(hmac, body))
        case .sha384(let hmac): Array(Self.code(hmac, body))
        case .sha512(let hmac): Array(Self.code(hmac, body))
        }
    }

    /// Whether `claimed` is the signature of a body, compared in constant time.
    func isSignature(_ claimed: [UInt8], of body: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .sha1(let hmac): Self.code(hmac, body) == claimed
        case .sha256(let hmac): Self.code(hmac, body) == claimed
        case .sha384(let hmac): Self.code(hmac, body) == claimed
        case .sha512(let hmac): Self.code(hmac, body) == claimed
        }
    }

    private static func code<H>(_ hmac: HMAC<H>, _ body: UnsafeRawBufferPointer) -> HMAC<H>.MAC {
        var hmac = hmac
        hmac.update(data: body)
        return hmac.finalize()
    }
}
