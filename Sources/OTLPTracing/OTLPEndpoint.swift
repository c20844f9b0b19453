import NIOCore
import NIOHTTP1
import NIOPosix
import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Where spans go: a collector beside the program, by plain HTTP/1.1.
///
/// A connection per request, since there is one a second at most.
struct OTLPEndpoint: Sendable, CustomStringConvertible {
    /// Of a response's body; a longer one is no answer of the protocol.
    private static let responseBytes = 64 << 10

    let host: String
    let port: Int
    let path: String
    let fields: [(String, String)]

    var description: String { "http://\(self.host):\(self.port)\(self.path)" }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        /// Whether the same may be taken later.
        var isPassing = true
        /// When the collector wishes it again.
        var retryAfter: Duration?
    }

    private struct Response {
        let head: HTTPResponseHead
        var body: [UInt8] = []

        var isSuccess: Bool { (200..<300).contains(self.head.status.code) }
    }

    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, or `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces`.
    ///
    /// - Throws: when it can't be that of a collector. It is not shown, since there may be a key in it.
    init?(environment: [String: String]) throws(SettingError) {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        guard let name = names.first(where: { environment[$0]?.isEmpty == false }), let url = environment[name] else {
            return nil
        }
        guard let parts = URLComponents(string: url), parts.scheme == "http", let host = parts.host, !host.isEmpty,
            (1...65535).contains(parts.port ?? 4318), parts.percentEncodedUser == nil,
            parts.percentEncodedPassword == nil, parts.percentEncodedQuery == nil, parts.percentEncodedFragment == nil
        else {
            throw SettingError(
                """
                \(name) is malformed, expected http://HOST:PORT of a collector that takes OTLP over HTTP, without \
                user, password or query: keys belong in OTEL_EXPORTER_OTLP_HEADERS
                """
            )
        }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        self.port = parts.port ?? 4318
        var path = parts.percentEncodedPath
        if name == names[1] { path = (path.hasSuffix("/") ? String(path.dropLast()) : path) + "/v1/traces" }
        self.path = path.isEmpty ? "/" : path
        self.fields = try Self.fields(environment["OTEL_EXPORTER_OTLP_HEADERS"] ?? "")
    }

    /// The request's further fields.
    ///
    /// - Throws: when there is one that can't be sent. It is not shown, since it may be a key.
    private static func fields(_ text: String) throws(SettingError) -> [(String, String)] {
        var fields: [(String, String)] = []
        for field in text.split(separator: ",") {
            let parts = field.drop { $0 == " " }.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[0].utf8.allSatisfy(self.isOfName), parts[1].utf8.allSatisfy(self.isOfValue)
            else {
                throw SettingError(
                    "OTEL_EXPORTER_OTLP_HEADERS is malformed, expected NAME=VALUE, or several separated by commas"
                )
            }
            fields.append((parts[0], parts[1]))
        }
        return fields
    }

    /// A character of a field's name, as RFC 9110 has it.
    private static func isOfName(_ byte: UInt8) -> Bool {
        let character = Character(UnicodeScalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber || "!#$%&'*+-.^_`|~".contains(character))
    }

    private static func isOfValue(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F }

    /// - Returns: how many of the spans the collector has rejected for good.
    /// - Throws: when it does not take the body, or not within 5 s.
    func post(_ body: [UInt8]) async throws -> Int {
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask { try await self.exchange(body) }
            group.addTask {
                try await Task.sleep(for: .seconds(5))
                throw Failure(description: "no response within 5 s")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? 0
        }
    }

    private func exchange(_ body: [UInt8]) async throws -> Int {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(2))
            .connect(host: self.host, port: self.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel
                    )
                }
            }
        let response = try await channel.executeThenClose { inbound, outbound -> Response? in
            try await outbound.write(.head(self.head(bytes: body.count)))
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: body))))
            try await outbound.write(.end(nil))
            return try await Self.response(inbound)
        }
        guard let response else { throw Failure(description: "the connection was closed without a response") }
        guard response.isSuccess else {
            let status = response.head.status
            // OTLP 1.x, "Failures": these, and no others, are for another try.
            let isPassing = [429, 502, 503, 504].contains(status.code)
            let retryAfter = response.head.headers.first(name: "retry-after").flatMap { RetryAfter.duration($0) }
            throw Failure(description: "the response was \(status)", isPassing: isPassing, retryAfter: retryAfter)
        }
        return (try? JSONDecoder().decode(OTLPResponse.self, from: Data(response.body)))?.rejectedSpans ?? 0
    }

    /// The response with its body, where it took what was sent; else its head.
    private static func response(
        _ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>
    ) async throws -> Response? {
        var response: Response?
        for try await part in parts {
            switch part {
            case .head(let head):
                let begun = Response(head: head)
                guard begun.isSuccess else { return begun }
                response = begun
            case .body(let bytes):
                response?.body += bytes.readableBytesView
                if let response, response.body.count > Self.responseBytes { return response }
            case .end: return response
            }
        }
        return response
    }

    private func head(bytes: Int) -> HTTPRequestHead {
        var headers: HTTPHeaders = [
            "host": "\(self.host.contains(":") ? "[\(self.host)]" : self.host):\(self.port)",
            "content-type": "application/json", "content-length": "\(bytes)", "connection": "close",
        ]
        for (name, value) in self.fields { headers.add(name: name, value: value) }
        return HTTPRequestHead(version: .http1_1, method: .POST, uri: self.path, headers: headers)
    }
}
