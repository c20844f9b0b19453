import RejoinderMetrics

/// All series of one name.
struct Family: Sendable {
    let name: String
    let kind: Metric.Kind
    let help: String?
    var series: [[Label]: Instrument] = [:]
}

/// What keeps the values of one series.
enum Instrument: Sendable {
    case counter(PrometheusCounter)
    case gauge(PrometheusGauge)
    case histogram(PrometheusHistogram)

    var id: ObjectIdentifier {
        switch self {
        case .counter(let counter): ObjectIdentifier(counter)
        case .gauge(let gauge): ObjectIdentifier(gauge)
        case .histogram(let histogram): ObjectIdentifier(histogram)
        }
    }
}

/// One label of a series.
struct Label: Sendable, Hashable, Comparable {
    let name: String
    let value: String

    /// In order, each name once; those with an empty value are the same as none.
    static func labels(_ dimensions: [(String, String)]) -> [Label] {
        let labels = dimensions.filter { !$0.1.isEmpty }.map { name, value in
            Label(name: Self.name(of: name, allowingColons: false), value: value)
        }
        return Dictionary(labels.map { ($0.name, $0) }) { first, _ in first }.values.sorted()
    }

    /// A name that Prometheus allows: letters, digits and underscores, and colons for metrics.
    static func name(of text: String, allowingColons: Bool) -> String {
        var name = String(
            text.unicodeScalars.map { scalar in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", "_": Character(scalar)
                case ":" where allowingColons: ":"
                default: "_"
                }
            }
        )
        if name.isEmpty || name.utf8.first.map({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) ?? false {
            name = "_" + name
        }
        // The bound of a bucket, and names with two underscores, are Prometheus's own.
        let isReserved = !allowingColons && (name == "le" || name.hasPrefix("__"))
        return isReserved ? "label_" + name : name
    }

    static func < (left: Label, right: Label) -> Bool { (left.name, left.value) < (right.name, right.value) }
}
