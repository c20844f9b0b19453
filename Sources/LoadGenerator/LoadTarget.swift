#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Where calls go.
package struct LoadTarget: Sendable, Hashable {
    package let url: String
    let host: String
    let port: Int
    let isSecure: Bool
    /// The path with its query, as a request's first line has it.
    let path: String
    /// The value of the `Host` field.
    let authority: String

    /// Reads an `http` or `https` URL.
    package init(url: String) throws(LoadError) {
        guard
            let parts = URLComponents(string: url),
            let scheme = parts.scheme?.lowercased(), scheme == "http" || scheme == "https",
            let host = parts.host, !host.isEmpty, (1...65535).contains(parts.port ?? 1)
        else { throw .malformedURL(url) }
        self.url = url
        self.isSecure = scheme == "https"
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        self.port = parts.port ?? (self.isSecure ? 443 : 80)
        let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
        self.path = path + (parts.percentEncodedQuery.map { "?" + $0 } ?? "")
        let name = self.host.contains(":") ? "[\(self.host)]" : self.host
        self.authority = name + (parts.port.map { ":\($0)" } ?? "")
    }
}
