import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A connection was accepted, and nothing came on it.
struct SilenceError: Error, CustomStringConvertible {
    let description = "the connection was accepted, and not answered in time"
}

/// Why a load could not begin; one line for a person.
package enum LoadError: Error, Sendable, Hashable, CustomStringConvertible {
    case malformedURL(String)
    /// Not all connections could be opened.
    case unreachable(url: String, reason: String)

    package var description: String {
        switch self {
        case .malformedURL(let url): "\"\(url)\" is not a URL such as http://127.0.0.1:8080/webhook"
        case .unreachable(let url, let reason): "\(url) can't be reached: \(reason)"
        }
    }

    /// What the system said, in a person's words.
    package static func reason(of error: any Error) -> String {
        switch error {
        case let error as IOError: self.text(of: error.errnoCode)
        case let error as NIOConnectionError: self.reason(of: error)
        case let error as SocketAddressError.UnknownHost: "the host \(error.host) can't be found"
        case ChannelError.eof: "the connection was closed"
        case ChannelError.connectTimeout: "the connection was not accepted in time"
        case NIOSSLError.handshakeFailed(let error): self.reason(of: error)
        case NIOSSLError.unableToValidateCertificate: self.untrusted
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            "the server's certificate isn't for this host"
        default: "\(error)"
        }
    }

    private static let untrusted = "the server's certificate isn't trusted"

    private static func text(of code: CInt) -> String {
        let text = String(cString: strerror(code))
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    private static func reason(of error: NIOConnectionError) -> String {
        if let failure = error.connectionErrors.last { return self.reason(of: failure.error) }
        return "the host \(error.host) can't be found"
    }

    /// BoringSSL's word for it, without the place in its source that it names beside.
    private static func reason(of error: BoringSSLError) -> String {
        let stack: NIOBoringSSLErrorStack =
            switch error {
            case .sslError(let stack), .unknownError(let stack): stack
            default: []
            }
        if stack.contains(.eofDuringHandshake) { return "the connection was closed during the TLS handshake" }
        // As in `error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at FILE:LINE`.
        let names = stack.compactMap { error -> Substring? in
            let text = error.description
            return text.firstRange(of: "OPENSSL_internal:").map { text[$0.upperBound...].prefix { $0 != " " } }
        }
        if names.contains("CERTIFICATE_VERIFY_FAILED") { return self.untrusted }
        guard let name = names.first else { return "the TLS handshake failed" }
        return "the TLS handshake failed: \(name.lowercased().replacing("_", with: " "))"
    }
}
