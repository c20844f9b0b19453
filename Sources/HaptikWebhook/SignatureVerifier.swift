import Crypto

/// Verifies and makes the `X-Hub-Signature` of a body: `sha1=` and the HMAC of its raw bytes in hexadecimal.
///
/// Holds an endpoint's active secrets, old and new, so that a secret can be rotated. No form of printing shows them.
public struct SignatureVerifier: Sendable {
    /// How the endpoint's bodies are signed.
    public let algorithm: SignatureAlgorithm

    /// One per active secret, the work that depends on the secret only done already.
    private let keys: [SigningKey]

    /// Prepares the secrets of an endpoint.
    ///
    /// - Parameters:
    ///   - algorithm: How the endpoint's bodies are signed.
    ///   - secrets: Every secret that is valid at present. Their UTF-8 is the key.
    /// - Throws: A ``SignatureError`` if there are none, or one of them is empty.
    public init(algorithm: SignatureAlgorithm = .sha1, secrets: [String]) throws(SignatureError) {
        try self.init(algorithm: algorithm, keys: secrets.map { Array($0.utf8) })
    }

    /// Prepares the secrets of an endpoint, given as raw bytes.
    package init(algorithm: SignatureAlgorithm, keys: [[UInt8]]) throws(SignatureError) {
        guard !keys.isEmpty else { throw SignatureError(code: .noSecrets) }
        guard keys.allSatisfy({ !$0.isEmpty }) else { throw SignatureError(code: .emptySecret) }
        self.algorithm = algorithm
        self.keys = keys.map { SigningKey(algorithm, $0) }
    }

    /// Whether a header is the signature of a body by any active secret.
    ///
    /// A header that is missing, malformed or wrong gives the same answer. The time does not depend on how much of the
    /// signature is right, nor on which secret it was made with.
    ///
    /// - Parameters:
    ///   - header: The value of `X-Hub-Signature`, if there is one.
    ///   - body: The raw bytes as they were received.
    /// - Returns: True if one of the secrets made the signature.
    public func verify(header: String?, body: UnsafeRawBufferPointer) -> Bool {
        guard let header, let claimed = digest(inHeader: header) else { return false }
        var isValid = false
        for key in keys {
            let matches = key.isSignature(claimed, of: body)
            isValid = isValid || matches
        }
        return isValid
    }

    /// Whether a header is the signature of a body by any active secret.
    ///
    /// - Parameters:
    ///   - header: The value of `X-Hub-Signature`, if there is one.
    ///   - body: The raw bytes as they were received.
    /// - Returns: True if one of the secrets made the signature.
    public func verify(header: String?, body: [UInt8]) -> Bool {
        body.withUnsafeBytes { verify(header: header, body: $0) }
    }

    /// The header with the signature of a body, by the first secret.
    ///
    /// - Parameter body: The raw bytes as they are sent.
    /// - Returns: The value of `X-Hub-Signature`.
    public func header(for body: [UInt8]) -> String {
        keys.first.map { Self.header(for: body, $0, algorithm) } ?? ""
    }

    /// The signature of a body, by the first secret, as bytes.
    package func signature(of body: UnsafeRawBufferPointer) -> [UInt8] {
        keys.first?.signature(of: body) ?? []
    }

    /// The header with the signature of a body.
    ///
    /// - Parameters:
    ///   - body: The raw bytes as they are sent.
    ///   - secret: The secret, whose UTF-8 is the key.
    ///   - algorithm: How the endpoint's bodies are signed.
    /// - Returns: The value of `X-Hub-Signature`.
    public static func header(
        for body: [UInt8],
        secret: String,
        algorithm: SignatureAlgorithm = .sha1
    ) -> String {
        header(for: body, SigningKey(algorithm, Array(secret.utf8)), algorithm)
    }

    private static func header(for body: [UInt8], _ key: SigningKey, _ algorithm: SignatureAlgorithm) -> String {
        let signature = body.withUnsafeBytes { key.signature(of: $0) }
        let digits = signature.flatMap { [hexDigits[Int($0 >> 4)], hexDigits[Int($0 & 15)]] }
        return algorithm.prefix + String(decoding: digits, as: UTF8.self)
    }

    /// The bytes that a header claims to be the signature; nil if it is malformed.
    private func digest(inHeader header: String) -> [UInt8]? {
        let prefix = algorithm.prefix.utf8
        guard header.utf8.count == prefix.count + 2 * algorithm.digestLength, header.utf8.starts(with: prefix) else {
            return nil
        }
        var digest: [UInt8] = []
        digest.reserveCapacity(algorithm.digestLength)
        var high: UInt8?
        for byte in header.utf8.dropFirst(prefix.count) {
            guard let value = hexValue(of: byte) else { return nil }
            if let first = high {
                digest.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return digest
    }
}

extension SignatureVerifier: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What this is, without the secrets.
    public var description: String { "SignatureVerifier(\(algorithm.rawValue), secrets: \(keys.count))" }

    /// The same as ``description``: the secrets are never shown.
    public var debugDescription: String { description }

    /// A mirror without the secrets.
    public var customMirror: Mirror {
        Mirror(self, children: ["algorithm": algorithm.rawValue, "secrets": keys.count], displayStyle: .struct)
    }
}
