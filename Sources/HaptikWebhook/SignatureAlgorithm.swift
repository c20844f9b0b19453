/// How an endpoint's bodies are signed, under the names of W3C WebSub.
///
/// Haptik uses SHA-1. Fixed for each endpoint, never chosen by the sender. The weakness of SHA-1 is collisions, which don't weaken HMAC.
public enum SignatureAlgorithm: String, Sendable, Hashable, CaseIterable {
    /// HMAC with SHA-1.
    case sha1
    /// HMAC with SHA-256.
    case sha256
    /// HMAC with SHA-384.
    case sha384
    /// HMAC with SHA-512.
    case sha512

    /// The number of bytes of a signature.
    package var digestLength: Int {
        switch self {
        case .sha1: 20
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }

    /// What comes before the digits in a header: the name and `=`.
    var prefix: String { rawValue + "=" }
}
