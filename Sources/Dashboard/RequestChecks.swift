import HTTPTypes

/// What keeps other sites' pages away from the dashboard.
enum RequestChecks {
    /// Whether a browser may call us by this name: an address, localhost, or one that we were told.
    ///
    /// Any other may be a stranger's name that now leads here (DNS rebinding), whose pages would then be of our origin.
    static func isKnown(host authority: String?, names: [String]) -> Bool {
        guard let authority, !authority.isEmpty else { return false }
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return false }
            let rest = authority[authority.index(after: end)...]
            return authority[..<end].dropFirst().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
                && (rest.isEmpty || rest.hasPrefix(":") && rest.dropFirst().allSatisfy(\.isWholeNumber))
        }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.dropFirst().allSatisfy({ $0.allSatisfy(\.isWholeNumber) }) else { return false }
        let host = String(parts[0]).lowercased()
        return host == "localhost" || self.isAddress(host) || names.contains { $0.lowercased() == host }
    }

    private static func isAddress(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether a form was sent by one of our own pages; every browser says so in one of these fields.
    static func isOwn(_ request: HTTPRequest) -> Bool {
        if let site = request.headerFields[.secFetchSite], site != "same-origin" { return false }
        if let origin = request.headerFields[.origin] {
            guard let authority = request.authority else { return false }
            return origin == "http://\(authority)" || origin == "https://\(authority)"
        }
        return request.headerFields[.secFetchSite] != nil
    }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name.known("Sec-Fetch-Site")
    static let frameOptions = HTTPField.Name.known("X-Frame-Options")
    static let referrerPolicy = HTTPField.Name.known("Referrer-Policy")
    static let crossOriginOpenerPolicy = HTTPField.Name.known("Cross-Origin-Opener-Policy")
    static let crossOriginResourcePolicy = HTTPField.Name.known("Cross-Origin-Resource-Policy")

    /// Of a name that is one by RFC 9110.
    private static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no name of a header field") }
        return name
    }
}
