import CLibPQ

/// What libpq's keywords are set to, and whether it can use that.
extension PostgresConfiguration {
    /// The first of libpq's own variables that the connection string leaves to rule, and whose value libpq can't use.
    ///
    /// It does not ask whether anything is there.
    ///
    /// - Throws: `.connectionFailed` with libpq's reason, which is safe to show, for a string that it can't read.
    package func faultyVariable(
        in environment: [String: String]
    ) throws(PostgresError) -> (name: String, reason: String)? {
        let options = try self.options()
        // A service rules before the variables do, and what it says is known to libpq alone.
        guard options["service"] == nil, environment["PGSERVICE"] == nil else { return nil }
        let ruled = options.keys + self.keywords.map(\.0)
        for option in Self.settings(PQconndefaults()) where !ruled.contains(option.keyword) {
            guard let variable = option.variable, let value = environment[variable], !value.isEmpty else { continue }
            if let reason = Self.fault(of: option.keyword, value) { return (variable, reason) }
        }
        return nil
    }

    /// What the connection string says, by keyword.
    func options() throws(PostgresError) -> [String: String] {
        guard let connectionString, !connectionString.isEmpty else { return [:] }
        // As libpq tells them apart: anything else is a database's name.
        guard connectionString.contains("=") || connectionString.contains("://") else {
            return ["dbname": connectionString]
        }
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(connectionString, &message) else {
            defer { PQfreemem(message) }
            let reason = message.map { String(cString: $0) } ?? "the connection string can't be read"
            let line = reason.split(whereSeparator: \.isNewline).joined(separator: "; ")
            throw PostgresError(.connectionFailed, Self.withoutQuotes(line))
        }
        let values = Self.values(options)
        try Self.check(values)
        return values
    }

    /// What a keyword may be set to.
    private static let choices = [
        "channel_binding": ["disable", "prefer", "require"],
        "gssencmode": ["disable", "prefer", "require"],
        "load_balance_hosts": ["disable", "random"],
        "sslcertmode": ["disable", "allow", "require"],
        "sslmode": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        "sslnegotiation": ["postgres", "direct"],
        "target_session_attrs": ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"],
    ]
    private static let numbers = [
        "connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
        "tcp_user_timeout",
    ]

    /// Why libpq can't use a keyword's value (PostgreSQL's manual, 34.1.2, up to version 18); nil where it can.
    ///
    /// libpq itself looks when it connects, and then nothing tells a mistyped one from a database that is away. No value is
    /// shown: that of a port or a host may be part of a password.
    private static func fault(of keyword: String, _ value: String) -> String? {
        if let choices = Self.choices[keyword], !choices.contains(value) {
            return "is none of \(choices.joined(separator: ", "))"
        }
        let digits = value.filter { $0 != " " }
        if Self.numbers.contains(keyword), Int32(digits) == nil { return "is no whole number" }
        switch keyword {
        case "port":
            let arePorts = Self.list(digits).allSatisfy { $0.isEmpty || (1...65535).contains(Int($0) ?? 0) }
            return arePorts ? nil : "is no whole number from 1 to 65535"
        case "host", "hostaddr":
            return Self.list(value).allSatisfy(Self.mayBeHost) ? nil : "is no host's name or address"
        default: return nil
        }
    }

    /// A socket's folder or name, an address, or what may be a name.
    private static func mayBeHost(_ text: String) -> Bool {
        if text.hasPrefix("/") || text.hasPrefix("@") { return true }
        let address = text.prefix { $0 != "%" }
        let isVersion6 = address.contains(":") && address.allSatisfy { $0.isHexDigit || ":.".contains($0) }
        return isVersion6 || !text.contains { "@:/?#".contains($0) || $0.isWhitespace }
    }

    private static func check(_ values: [String: String]) throws(PostgresError) {
        for (keyword, value) in values.sorted(by: { $0.key < $1.key }) where !value.isEmpty {
            guard let reason = Self.fault(of: keyword, value) else { continue }
            let isOfPlace = ["port", "host"].contains(keyword)
            let hint = isOfPlace ? " (a password's \"@\", \":\" and \"/\" are %40, %3A and %2F in a URI)" : ""
            throw PostgresError(.connectionFailed, "\(keyword) \(reason)\(hint)")
        }
        try Self.checkCounts(values)
    }

    /// Each host may have an address, and a port of its own; those that a variable or a service names are not known here.
    private static func checkCounts(_ values: [String: String]) throws(PostgresError) {
        func count(_ keyword: String) -> Int { Self.list(values[keyword]).count }
        let (names, addresses, ports) = (count("host"), count("hostaddr"), count("port"))
        let hosts = max(names, addresses)
        let fault: String? =
            if hosts == 0 {
                nil
            } else if names > 0, addresses > 0, names != addresses {
                "host has \(names) values and hostaddr \(addresses), expected as many"
            } else if ports > 1, ports != hosts {
                "port has \(ports) values, expected one, or one for each host, of which there are \(hosts)"
            } else {
                nil
            }
        if let fault { throw PostgresError(.connectionFailed, fault) }
    }

    /// libpq's reason, which quotes at most a keyword's name: whatever else is in the string may be a password.
    private static func withoutQuotes(_ reason: String) -> String {
        let parts = reason.split(separator: "\"", omittingEmptySubsequences: false)
        guard parts.count > 2 else { return reason }
        // As in `invalid URI query parameter: "sslmod"`.
        if parts.count == 3, parts[1].allSatisfy({ $0.isASCII && ($0.isLetter || $0 == "_") }) { return reason }
        // As in `missing "=" after "…" in connection info string`; what is quoted may have quotes in it.
        let kept = parts.count > 4 && ["=", "]"].contains(parts[1]) ? 3 : 1
        let shown: [Substring] = Array(parts.prefix(kept)) + ["…", parts[parts.count - 1]]
        return shown.joined(separator: "\"")
    }

    /// What libpq's own variables say, and what it takes where nothing is said, by keyword.
    static func defaults() -> [String: String] { self.values(PQconndefaults()) }

    /// What rules a connection, whoever has said it: the connection string, a service, a variable or libpq itself.
    static func values(ruling connection: OpaquePointer?) -> [String: String] { self.values(PQconninfo(connection)) }

    /// By keyword, what is set.
    private static func values(_ options: UnsafeMutablePointer<PQconninfoOption>?) -> [String: String] {
        let set = Self.settings(options).compactMap { option in option.value.map { (option.keyword, $0) } }
        return Dictionary(uniqueKeysWithValues: set)
    }

    /// libpq's keywords, each with the variable that sets it, and its value; frees the options.
    private static func settings(
        _ options: UnsafeMutablePointer<PQconninfoOption>?
    ) -> [(keyword: String, variable: String?, value: String?)] {
        guard let options else { return [] }
        defer { PQconninfoFree(options) }
        func text(_ value: UnsafePointer<CChar>?) -> String? { value.map { String(cString: $0) } }
        var settings: [(keyword: String, variable: String?, value: String?)] = []
        var option = options
        while let keyword = text(option.pointee.keyword) {
            settings.append((keyword, text(option.pointee.envvar), text(option.pointee.val)))
            option += 1
        }
        return settings
    }

    /// The parts of a value that has one for each host.
    static func list(_ text: String?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}
