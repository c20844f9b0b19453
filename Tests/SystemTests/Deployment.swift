import AsyncHTTPClient
import HaptikWebhook
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

/// An ingress process with its ports, on a test's database.
struct Deployment: Sendable {
    static let secret = "test"

    /// The shared client would let 8 calls wait at once.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 2000
        return HTTPClient(configuration: configuration)
    }()

    let ingress: Program
    let port: Int
    let adminPort: Int
    let database: TestDatabase

    /// Runs an ingress while `body` runs.
    static func with(
        _ database: TestDatabase,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        _ body: (Deployment) async throws -> Void
    ) async throws {
        var variables = ["DATABASE_URL": database.url, "REJOINDER_SECRET": Self.secret]
        variables.merge(environment) { $1 }
        try await Program.with(
            "rejoinder",
            ["ingress", "--http-port", "0", "--admin-port", "0"] + arguments,
            environment: variables
        ) { program in
            let line = try await program.line(containing: "admin.port")
            let deployment = Deployment(
                ingress: program,
                port: try #require(Self.number(after: [" port=", "\"port\":"], in: line)),
                adminPort: try #require(Self.number(after: ["admin.port=", "\"admin.port\":"], in: line)),
                database: database
            )
            try await deployment.untilReady()
            try await body(deployment)
        }
    }

    /// Runs a scripted worker while `body` runs.
    func withWorker(_ name: String = "ScriptedWorker", _ body: (Program) async throws -> Void) async throws {
        try await Program.with(name, environment: ["DATABASE_URL": self.database.url], body)
    }

    /// The number after the first of these texts that is there: in a line of text, or of JSON.
    private static func number(after texts: [String], in line: String) -> Int? {
        texts.lazy.compactMap { line.firstRange(of: $0) }.first.flatMap {
            Int(line[$0.upperBound...].prefix { $0.isNumber })
        }
    }

    /// The private port is asked until it says ready; it can't tell us by itself.
    private func untilReady() async throws {
        while true {
            let response = try await self.health("ready")
            if response.status == 200 { return }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func health(_ what: String) async throws -> Answer { try await Self.health(what, port: self.adminPort) }

    static func health(_ what: String, port: Int) async throws -> Answer {
        let request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/health/\(what)")
        return try await Answer(Self.client.execute(request, timeout: .seconds(10)))
    }

    /// A signed call.
    func call(
        _ node: String,
        _ entities: [String: String] = [:],
        path: String = "/webhook",
        timeout: TimeAmount = .seconds(60)
    ) async throws -> Answer {
        try await self.post(Self.body(node, entities), path: path, timeout: timeout)
    }

    /// Posts a body, signed unless a signature is given or it is to have none, with the content type of Haptik unless headers are given.
    func post(
        _ body: [UInt8],
        signature: String? = nil,
        isSigned: Bool = true,
        headers: [(String, String)] = [("Content-Type", "application/json")],
        path: String = "/webhook",
        timeout: TimeAmount = .seconds(60)
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(self.port)\(path)")
        request.method = .POST
        request.headers = HTTPHeaders(headers)
        if isSigned {
            request.headers.add(
                name: "X-Hub-Signature",
                value: signature ?? SignatureVerifier.header(for: body, secret: Self.secret)
            )
        }
        request.body = .bytes(ByteBuffer(bytes: body))
        return try await Answer(Self.client.execute(request, timeout: timeout))
    }

    func send(_ method: HTTPMethod, _ path: String) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(self.port)\(path)")
        request.method = method
        return try await Answer(Self.client.execute(request, timeout: .seconds(10)))
    }

    static func body(_ node: String, _ entities: [String: String] = [:]) -> [UInt8] {
        let entities = entities.mapValues { value in
            JSONValue.array([["detection": "message", "original_text": .string(value), "entity_value": .string(value)]])
        }
        return JSONValue.object([
            "node": .string(node), "event": "API_INTEGRATION", "user": ["user_name": "u"],
            "entities": .object(entities),
        ]).encoded()
    }

    /// Reads the database until a query gives what is expected: for what no event tells of.
    func eventually(_ sql: String, is expected: String) async throws {
        let end = ContinuousClock.now + .seconds(20)
        var last: String?
        while ContinuousClock.now < end {
            last = try await self.database.query(sql).first?.first ?? nil
            if last == expected { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("\(sql) is \(last ?? "nothing"), expected \(expected)")
    }
}

/// What came back.
struct Answer: Sendable {
    let status: UInt
    let headers: HTTPHeaders
    let body: String

    init(_ response: HTTPClientResponse) async throws {
        self.status = response.status.code
        self.headers = response.headers
        self.body = String(buffer: try await response.body.collect(upTo: 16 << 20))
    }

    /// The first message of a reply.
    var message: String? { try? JSONValue(parsing: self.body)["response"]?[0]?.string }

    /// The code of a problem.
    var code: String? { try? JSONValue(parsing: self.body)["code"]?.string }
}
