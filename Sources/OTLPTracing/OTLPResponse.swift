/// What a collector that takes an export may say of it (OTLP 1.x: `ExportTraceServiceResponse`).
struct OTLPResponse: Decodable {
    /// How many of the spans it has rejected for good.
    let rejectedSpans: Int

    private enum Key: String, CodingKey {
        case partialSuccess, rejectedSpans
    }

    init(from decoder: any Decoder) throws {
        let response = try decoder.container(keyedBy: Key.self)
        let part = try response.nestedContainer(keyedBy: Key.self, forKey: .partialSuccess)
        // Text, as JSON of protocol buffers has numbers of 64 bits; a number is as good.
        let text = try? part.decode(String.self, forKey: .rejectedSpans)
        self.rejectedSpans = try text.flatMap { Int($0) } ?? part.decode(Int.self, forKey: .rejectedSpans)
    }
}
