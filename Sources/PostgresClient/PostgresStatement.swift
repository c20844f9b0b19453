/// A statement that each connection prepares once, under its name, when it is first used there.
package struct PostgresStatement: Sendable, Hashable {
    /// Unique among the statements of the process, of at most 63 bytes: the server cuts the rest.
    package let name: String
    package let sql: String

    package init(name: String, sql: String) {
        precondition(name.utf8.count < 64, "a statement's name has at most 63 bytes")
        self.name = name
        self.sql = sql
    }
}

/// A statement with its arguments.
///
/// Each call is a transaction of its own.
package struct PostgresCall: Sendable {
    package let statement: PostgresStatement
    package let arguments: PostgresArguments

    package init(_ statement: PostgresStatement, _ arguments: PostgresArguments = PostgresArguments()) {
        self.statement = statement
        self.arguments = arguments
    }
}
