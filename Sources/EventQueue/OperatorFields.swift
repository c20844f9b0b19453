import PostgresClient

/// One of the things that an operator looks at: a row, with typed properties for those of its fields that programs use.
package protocol OperatorRecord: Sendable, Hashable {
    var fields: OperatorFields { get }
}

/// A row's fields in the order and with the names of its columns, as tables and JSON show them.
package struct OperatorFields: Sendable, Hashable {
    package enum Value: Sendable, Hashable {
        case null
        case text(String)
        case texts([String])
        case integer(Int64)
        case number(Double)
        case truth(Bool)
        /// JSON, as text.
        case json(String)
    }

    package struct Field: Sendable, Hashable {
        package let name: String
        package let value: Value
    }

    package let all: [Field]

    init(_ rows: PostgresRows, row: Int) {
        self.all = (0..<rows.columns).map {
            Field(name: rows.name(ofColumn: $0), value: Self.value(rows, row, $0))
        }
    }

    package subscript(_ name: String) -> Value { self.all.first { $0.name == name }?.value ?? .null }

    func text(_ name: String) -> String { self.optionalText(name) ?? "" }

    func optionalText(_ name: String) -> String? {
        switch self[name] {
        case .text(let text), .json(let text): text
        default: nil
        }
    }

    func texts(_ name: String) -> [String] { if case .texts(let texts) = self[name] { texts } else { [] } }

    func integer(_ name: String) -> Int { self.optionalInteger(name) ?? 0 }

    func optionalInteger(_ name: String) -> Int? {
        if case .integer(let integer) = self[name] { Int(integer) } else { nil }
    }

    func optionalNumber(_ name: String) -> Double? {
        if case .number(let number) = self[name] { number } else { nil }
    }

    func truth(_ name: String) -> Bool { self[name] == .truth(true) }

    /// By the column's type, as `pg_type` numbers it.
    private static func value(_ rows: PostgresRows, _ row: Int, _ column: Int) -> Value {
        if rows.isNull(row, column) { return .null }
        return switch rows.type(ofColumn: column) {
        case 16: .truth(rows.bool(row, column))
        case 20: .integer(rows.integer(row, column))
        case 21: .integer(Int64(rows.integer(row, column, as: Int16.self)))
        case 23: .integer(Int64(rows.integer(row, column, as: Int32.self)))
        case 701: .number(rows.double(row, column))
        case 1009: .texts(rows.strings(row, column))
        // A version byte comes before the text.
        case 3802: .json(String(decoding: rows.bytes(row, column).dropFirst(), as: UTF8.self))
        default: .text(rows.string(row, column))
        }
    }
}
