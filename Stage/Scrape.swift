/// A process's metrics, as Prometheus reads them from its admin port.
package struct Scrape: Sendable {
    package let text: String
    private let values: [(name: String, labels: String, value: Double)]

    /// Reads Prometheus's text format.
    package init(text: String) {
        self.text = text
        self.values = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                return nil
            }
            let series = line[..<space]
            let name = series.prefix { $0 != "{" }
            return (String(name), String(series.dropFirst(name.count)), value)
        }
    }

    /// The sum of the series of that name that have all these labels, such as `code="answered"`; nil where there is none.
    package subscript(name: String, labels: String...) -> Double? { self[name, labels] }

    /// The same, for a list of them.
    package subscript(name: String, labels: [String]) -> Double? {
        let values = self.values.filter { $0.name == name && labels.allSatisfy($0.labels.contains) }.map(\.value)
        return values.isEmpty ? nil : values.reduce(0, +)
    }
}
