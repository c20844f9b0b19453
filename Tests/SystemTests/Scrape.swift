import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// A process's metrics, as Prometheus would read them.
struct Scrape: Sendable {
    let text: String
    private let values: [(name: String, labels: String, value: Double)]

    /// Asks an admin port.
    init(port: Int) async throws {
        let request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/metrics")
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
        self.text = String(buffer: try await response.body.collect(upTo: 16 << 20))
        self.values = self.text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                return nil
            }
            let series = line[..<space]
            let name = series.prefix { $0 != "{" }
            return (String(name), String(series.dropFirst(name.count)), value)
        }
    }

    /// The sum of the series of that name that have all these labels, such as `code="answered"`; nil where there is none.
    subscript(name: String, labels: String...) -> Double? {
        let values = self.values.filter { $0.name == name && labels.allSatisfy($0.labels.contains) }.map(\.value)
        return values.isEmpty ? nil : values.reduce(0, +)
    }
}
