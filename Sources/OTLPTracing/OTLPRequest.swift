import EventQueue
import Tracing

/// The body of an export, in the JSON form of OpenTelemetry's protocol (OTLP 1.x: `ExportTraceServiceRequest`).
struct OTLPRequest: Encodable {
    let resourceSpans: [ResourceSpans]

    init(_ records: [SpanRecord], service: String, name: String) {
        let resource = Resource(attributes: [
            Attribute(key: "service.name", value: .string(service)),
            Attribute(key: "service.instance.id", value: .string(name)),
            Attribute(key: "service.version", value: .string(Version.current)),
        ])
        let scope = Scope(name: "rejoinder", version: Version.current)
        self.resourceSpans = [
            ResourceSpans(resource: resource, scopeSpans: [ScopeSpans(scope: scope, spans: records.map(Span.init))])
        ]
    }

    struct ResourceSpans: Encodable {
        let resource: Resource
        let scopeSpans: [ScopeSpans]
    }

    struct Resource: Encodable { let attributes: [Attribute] }

    struct ScopeSpans: Encodable {
        let scope: Scope
        let spans: [Span]
    }

    struct Scope: Encodable {
        let name: String
        let version: String
    }

    struct Span: Encodable {
        let traceId: String
        let spanId: String
        let parentSpanId: String?
        let name: String
        let kind: Int
        let startTimeUnixNano: String
        let endTimeUnixNano: String
        let attributes: [Attribute]
        let events: [Event]
        let links: [Link]
        let status: Status?

        init(_ record: SpanRecord) {
            self.traceId = record.own.traceID
            self.spanId = record.own.spanID
            self.parentSpanId = record.parent?.spanID
            self.name = record.name
            self.kind =
                switch record.kind {
                case .internal: 1
                case .server: 2
                case .client: 3
                case .producer: 4
                case .consumer: 5
                }
            self.startTimeUnixNano = "\(record.start)"
            self.endTimeUnixNano = "\(record.end ?? record.start)"
            self.attributes = Attribute.all(of: record.attributes)
            self.events = record.events.map { event in
                Event(
                    timeUnixNano: "\(event.nanosecondsSinceEpoch)",
                    name: event.name,
                    attributes: Attribute.all(of: event.attributes)
                )
            }
            self.links = record.links.map { link, attributes in
                Link(traceId: link.traceID, spanId: link.spanID, attributes: Attribute.all(of: attributes))
            }
            self.status = record.status.map { Status(code: $0.code == .ok ? 1 : 2, message: $0.message) }
        }
    }

    struct Event: Encodable {
        let timeUnixNano: String
        let name: String
        let attributes: [Attribute]
    }

    struct Link: Encodable {
        let traceId: String
        let spanId: String
        let attributes: [Attribute]
    }

    struct Status: Encodable {
        let code: Int
        let message: String?
    }
}

/// A key with its value, typed as the protocol has it.
struct Attribute: Encodable {
    enum Value: Encodable {
        case string(String)
        case integer(Int64)
        case double(Double)
        case bool(Bool)

        enum CodingKeys: String, CodingKey {
            case stringValue, intValue, doubleValue, boolValue
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            switch self {
            case .string(let value): try container.encode(value, forKey: .stringValue)
            // As text: JSON's numbers have no 64 bits everywhere.
            case .integer(let value): try container.encode("\(value)", forKey: .intValue)
            case .double(let value): try container.encode(value, forKey: .doubleValue)
            case .bool(let value): try container.encode(value, forKey: .boolValue)
            }
        }
    }

    let key: String
    let value: Value

    static func all(of attributes: SpanAttributes) -> [Attribute] {
        var all: [Attribute] = []
        // swift-format-ignore: ReplaceForEachWithForLoop
        attributes.forEach { key, attribute in
            let value: Value =
                switch attribute {
                case .int32(let value): .integer(Int64(value))
                case .int64(let value): .integer(value)
                case .double(let value): .double(value)
                case .bool(let value): .bool(value)
                case .string(let value): .string(value)
                case .stringConvertible(let value): .string("\(value)")
                default: .string("\(attribute)")
                }
            all.append(Attribute(key: key, value: value))
        }
        return all.sorted { $0.key < $1.key }
    }
}
