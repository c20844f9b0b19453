/// Holds a body against the contract while it is scanned: the first problem is kept, and the scan goes on to its end.
struct ContractCheck {
    /// How many characters (Unicode scalars, as PostgreSQL counts) a node's name may have.
    static let maximumNodeLength = 200

    private var node: String?
    private var step: String?
    private var hasEvent = false
    private var hasUser = false
    private var hasEntities = false
    private var problem: ContractError?

    /// Consumes the whole document.
    mutating func document(_ scanner: inout JSONScanner) throws(JSONError) {
        guard try scanner.peek() == .object else {
            report(.notAnObject, "the body is not a JSON object")
            return try scanner.skip()
        }
        try scanner.object { (scanner: inout JSONScanner, key: JSONText) throws(JSONError) in
            try member(key, &scanner)
        }
    }

    /// The node's name, once the document has been consumed.
    consuming func finish() throws(ContractError) -> String {
        if let problem {
            throw problem
        }
        guard let name = node ?? step else { throw ContractError(.missing, "`node` is missing") }
        guard hasEvent else { throw ContractError(.missing, "`event` is missing") }
        guard hasUser else { throw ContractError(.missing, "`user` is missing") }
        guard hasEntities else { throw ContractError(.missing, "`entities` is missing") }
        if let step, step != name {
            throw ContractError(.ambiguousNode, "`node` and `step` differ")
        }
        return name
    }

    private mutating func member(_ key: JSONText, _ scanner: inout JSONScanner) throws(JSONError) {
        if try scanner.text(key, is: "node") {
            node = try name("node", &scanner)
        } else if try scanner.text(key, is: "step") {
            step = try name("step", &scanner)
        } else if try scanner.text(key, is: "event") {
            hasEvent = true
            try require(.string, or: "`event` is not a string", &scanner)
            try scanner.skip()
        } else if try scanner.text(key, is: "user") {
            hasUser = true
            try require(.object, or: "`user` is not an object", &scanner)
            try scanner.skip()
        } else if try scanner.text(key, is: "entities") {
            hasEntities = true
            try entities(&scanner)
        } else {
            try scanner.skip()
        }
    }

    private mutating func name(_ key: String, _ scanner: inout JSONScanner) throws(JSONError) -> String {
        guard try require(.string, or: "`\(key)` is not a string", &scanner) else {
            try scanner.skip()
            return ""
        }
        let name = try scanner.unescaped(scanner.string())
        if let fault = Self.fault(ofName: name) { report(.invalidNode, "`\(key)` \(fault)") }
        return name
    }

    /// What keeps a text from being a node's name, to be said of it; nil for nothing.
    static func fault(ofName name: String) -> String? {
        let length = name.unicodeScalars.count
        if length == 0 { return "is empty" }
        if length > maximumNodeLength { return "is longer than \(maximumNodeLength) characters" }
        return name.utf8.contains(0) ? "contains U+0000" : nil
    }

    private mutating func entities(_ scanner: inout JSONScanner) throws(JSONError) {
        guard try require(.object, or: "`entities` is not an object", &scanner) else { return try scanner.skip() }
        try scanner.object { (scanner: inout JSONScanner, key: JSONText) throws(JSONError) in
            guard try scanner.peek() == .array else {
                try reportEntity(key, "", "an array", scanner)
                return try scanner.skip()
            }
            var index = 0
            try scanner.array { (scanner: inout JSONScanner) throws(JSONError) in
                if try scanner.peek() != .object {
                    try reportEntity(key, "[\(index)]", "an object", scanner)
                }
                try scanner.skip()
                index += 1
            }
        }
    }
}

extension ContractCheck {
    private mutating func report(_ code: ContractError.Code, _ message: @autoclosure () -> String) {
        guard problem == nil else { return }
        problem = ContractError(code, message())
    }

    /// Reports if the value that comes next is not of `kind`.
    @discardableResult
    private mutating func require(
        _ kind: JSONScanner.Kind,
        or message: @autoclosure () -> String,
        _ scanner: inout JSONScanner
    ) throws(JSONError) -> Bool {
        guard try scanner.peek() == kind else {
            report(.wrongType, message())
            return false
        }
        return true
    }

    private mutating func reportEntity(
        _ key: JSONText,
        _ place: String,
        _ kind: String,
        _ scanner: JSONScanner
    ) throws(JSONError) {
        guard problem == nil else { return }
        let name = ContractError.shown(try scanner.unescaped(key))
        problem = ContractError(.wrongType, "`entities.\(name)\(place)` is not \(kind)")
    }
}
