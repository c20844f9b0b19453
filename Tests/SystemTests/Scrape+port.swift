import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Stage

extension Scrape {
    /// Asks an admin port.
    init(port: Int) async throws {
        let request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/metrics")
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
        self.init(text: String(buffer: try await response.body.collect(upTo: 16 << 20)))
    }
}
