import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

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
    static func reason(of error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case ChannelError.eof: "the connection was closed"
        case ChannelError.connectTimeout: "the connection was not accepted in time"
        default: "\(error)"
        }
    }
}
