import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import RejoinderWorker
import ServiceLifecycle

/// The shop's API, by a client that keeps its connections.
struct Shop: Service {
    struct Refusal: Error {
        let status: UInt
    }

    private let client = HTTPClient()

    func stock(of product: Int) async throws -> String {
        let request = HTTPClientRequest(url: "https://shop.example.com/stock/\(product)")
        let response = try await self.client.execute(request, timeout: .seconds(5))
        guard response.status == .ok else { throw Refusal(status: response.status.code) }
        return String(buffer: try await response.body.collect(upTo: 100))
    }

    func run() async throws {
        try? await gracefulShutdown()
        try await self.client.shutdown()
    }
}

struct ShopWorker: WorkerProgram {
    let shop = Shop()

    var services: [any Service] { [self.shop] }

    var handlers: Handlers {
        Handlers {
            Handle("stock") { event, _ in
                guard let product = event.text(of: "product_id").flatMap({ Int($0) }) else {
                    return .failure("Which product do you mean?")
                }
                let stock = try await self.shop.stock(of: product)
                return .success("There are \(stock) of it.")
            }
        }
    }
}
