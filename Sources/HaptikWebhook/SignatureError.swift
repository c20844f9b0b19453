/// Why secrets can't be used to verify signatures.
///
/// Never holds a secret.
public struct SignatureError: Error, Sendable, Hashable {
    /// What is wrong with the secrets.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// There is no secret at all.
        case noSecrets
        /// A secret is empty.
        case emptySecret
    }

    /// What is wrong with the secrets.
    public let code: Code
}

extension SignatureError: CustomStringConvertible {
    /// What is wrong with the secrets, in one line.
    public var description: String {
        switch code {
        case .noSecrets: "a signed endpoint needs at least one secret"
        case .emptySecret: "a secret is empty"
        }
    }
}
