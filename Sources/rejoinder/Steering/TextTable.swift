import EventQueue

/// Rows with their columns aligned, for a screen.
struct TextTable {
    let columns: [String]
    let rows: [[String]]

    init(columns: [String], rows: [[String]]) {
        self.columns = columns
        self.rows = rows
    }

    /// Some of the records' fields, under their own names.
    init(_ records: [some OperatorRecord], _ columns: [String]) {
        self.init(columns: columns, rows: records.map { record in columns.map { record.fields[$0].shown } })
    }

    /// Without a newline at the end; no control character of a stranger's text reaches the terminal.
    var text: String {
        let rows = ([self.columns] + self.rows).map { $0.map(Self.clean) }
        let widths = self.columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return cells.joined(separator: "  ").trimmingBlanks
        }
        return lines.joined(separator: "\n")
    }

    private static func clean(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.isWhitespace || $0.isControl ? " " : $0 })
        )
    }
}

extension OperatorFields.Value {
    /// For a person.
    var shown: String {
        switch self {
        case .null: ""
        case .text(let text), .json(let text): text.count > 60 ? text.prefix(59) + "…" : text
        case .texts(let texts): texts.joined(separator: ", ")
        case .integer(let integer): "\(integer)"
        case .number(let number): "\((number * 1000).rounded() / 1000)"
        case .truth(let isTrue): isTrue ? "yes" : "no"
        }
    }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool {
        switch self.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
