extension Reply {
    /// Judges a reply that was encoded elsewhere, such as by a worker in another language.
    ///
    /// - Parameter encoded: What would be sent to Haptik, byte for byte.
    /// - Throws: A ``ReplyError`` if Haptik would not take it.
    public static func check(encoded: [UInt8]) throws(ReplyError) {
        guard encoded.count <= maximumLength else {
            throw ReplyError(.tooLarge, "the reply has \(encoded.count) bytes, more than \(maximumLength)")
        }
        var check = ReplyCheck()
        do throws(JSONError) {
            try encoded.withUnsafeBufferPointer { (buffer) throws(JSONError) in
                try JSONScanner.scan(UnsafeRawBufferPointer(buffer)) { (scanner: inout JSONScanner) throws(JSONError) in
                    try check.document(&scanner)
                }
            }
        } catch {
            throw ReplyError(.json, "the reply is not strict JSON: \(error)")
        }
        try check.finish()
    }

    /// Parses and checks a reply that was encoded.
    ///
    /// - Parameter encoded: What is sent to Haptik, byte for byte.
    /// - Throws: A ``ReplyError`` if Haptik would not take it.
    public init(parsing encoded: [UInt8]) throws(ReplyError) {
        try Reply.check(encoded: encoded)
        do throws(JSONError) {
            let json = try JSONValue(parsing: encoded)
            self.init(
                status: json["status"]?.bool ?? false,
                messages: (json["response"]?.array ?? []).compactMap(\.string),
                messageType: json["response_message_type"]?.int,
                conversationDetails: json["conversation_details"]?.object,
                userDetails: json["user_details"]?.object
            )
        } catch {
            throw ReplyError(.json, "the reply is not strict JSON: \(error)")
        }
    }
}

/// Holds a reply against the contract while it is scanned: the first problem is kept, and the scan goes on to its end.
private struct ReplyCheck {
    private var hasStatus = false
    private var hasResponse = false
    private var saysSomething = false
    private var problem: ReplyError?

    mutating func document(_ scanner: inout JSONScanner) throws(JSONError) {
        guard try scanner.peek() == .object else {
            report(.notAnObject, "the reply is not a JSON object")
            return try scanner.skip()
        }
        try scanner.object { (scanner: inout JSONScanner, key: JSONText) throws(JSONError) in
            try member(key, &scanner)
        }
    }

    func finish() throws(ReplyError) {
        if let problem {
            throw problem
        }
        guard hasStatus else { throw ReplyError(.missing, "`status` is missing") }
        guard hasResponse else { throw ReplyError(.missing, "`response` is missing") }
        guard saysSomething else {
            throw ReplyError(.noMessages, "`response` says nothing, which Haptik takes for a bot break")
        }
    }

    private mutating func member(_ key: JSONText, _ scanner: inout JSONScanner) throws(JSONError) {
        let kind = try scanner.peek()
        if try scanner.text(key, is: "status") {
            hasStatus = true
            require(kind == .true || kind == .false, "`status` is not a boolean")
        } else if try scanner.text(key, is: "response") {
            hasResponse = true
            require(kind == .array, "`response` is not an array")
            if kind == .array {
                return try messages(&scanner)
            }
        } else if try scanner.text(key, is: "response_message_type") {
            let value = try scanner.value()
            return require(value.int != nil, "`response_message_type` is not an integer")
        } else if try scanner.text(key, is: "conversation_details") {
            require(kind == .object, "`conversation_details` is not an object")
        } else if try scanner.text(key, is: "user_details") {
            require(kind == .object, "`user_details` is not an object")
        }
        try scanner.skip()
    }

    private mutating func messages(_ scanner: inout JSONScanner) throws(JSONError) {
        var index = 0
        try scanner.array { (scanner: inout JSONScanner) throws(JSONError) in
            if try scanner.peek() == .string {
                saysSomething = try scanner.string().count > 0 || saysSomething
            } else {
                require(false, "`response[\(index)]` is not a string")
                try scanner.skip()
            }
            index += 1
        }
    }

    private mutating func require(_ condition: Bool, _ message: @autoclosure () -> String) {
        guard !condition else { return }
        report(.wrongType, message())
    }

    private mutating func report(_ code: ReplyError.Code, _ message: String) {
        guard problem == nil else { return }
        problem = ReplyError(code, message)
    }
}
