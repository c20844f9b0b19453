import EventQueue
import HaptikWebhook

/// Records as JSON: the names are those of the columns, in their order.
enum JSONListing {
    /// An array, a line for each record.
    static func array(_ records: [some OperatorRecord]) -> String {
        records.isEmpty ? "[]" : "[\n" + records.map { Self.object($0) }.joined(separator: ",\n") + "\n]"
    }

    /// An object, perhaps with members that are JSON already.
    static func object(_ record: some OperatorRecord, and members: [(name: String, json: String)] = []) -> String {
        Self.object(record.fields.all.map { ($0.name, Self.text($0.value)) } + members)
    }

    static func object(_ members: [(name: String, json: String)]) -> String {
        "{" + members.map { "\(Self.quoted($0.name)): \($0.json)" }.joined(separator: ", ") + "}"
    }

    static func quoted(_ text: String) -> String {
        String(decoding: JSONValue.string(text).encoded(), as: UTF8.self)
    }

    private static func text(_ value: OperatorFields.Value) -> String {
        switch value {
        case .null: "null"
        case .text(let text): Self.quoted(text)
        case .texts(let texts): "[" + texts.map(Self.quoted).joined(separator: ", ") + "]"
        case .integer(let integer): "\(integer)"
        case .number(let number): number.isFinite ? "\(number)" : "null"
        case .truth(let isTrue): isTrue ? "true" : "false"
        case .json(let json): json
        }
    }
}
