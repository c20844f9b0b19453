import RejoinderMetrics

/// Prometheus's text format 0.0.4.
package enum Exposition {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func text(of families: [Family]) -> String {
        var text = ""
        for family in families.sorted(by: { $0.name < $1.name }) where !family.series.isEmpty {
            if let help = family.help { text += "# HELP \(family.name) \(Self.escaped(help, quoted: false))\n" }
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for (labels, instrument) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                Self.write(instrument, family.name, labels, to: &text)
            }
        }
        return text
    }

    private static func write(_ instrument: Instrument, _ name: String, _ labels: [Label], to text: inout String) {
        switch instrument {
        case .counter(let counter): text += Self.line(name, labels, counter.value)
        case .gauge(let gauge): text += Self.line(name, labels, gauge.value)
        case .histogram(let histogram):
            let snapshot = histogram.snapshot
            var count: UInt64 = 0
            for (bound, inBucket) in zip(histogram.bounds + [.infinity], snapshot.counts) {
                count += inBucket
                let bucket = labels + [Label(name: "le", value: Self.number(bound))]
                text += Self.line(name + "_bucket", bucket, Double(count))
            }
            text += Self.line(name + "_sum", labels, snapshot.sum)
            text += Self.line(name + "_count", labels, Double(count))
        }
    }

    private static func line(_ name: String, _ labels: [Label], _ value: Double) -> String {
        let list = labels.map { "\($0.name)=\"\(Self.escaped($0.value, quoted: true))\"" }.joined(separator: ",")
        return "\(name)\(list.isEmpty ? "" : "{\(list)}") \(Self.number(value))\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Doubles hold whole numbers up to here.
        return abs(value) < 0x1p53 && value.rounded() == value ? "\(Int64(value))" : "\(value)"
    }

    private static func escaped(_ text: String, quoted: Bool) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped.append(contentsOf: #"\\"#.unicodeScalars)
            case "\n": escaped.append(contentsOf: #"\n"#.unicodeScalars)
            case "\"" where quoted: escaped.append(contentsOf: #"\""#.unicodeScalars)
            default: escaped.append(scalar)
            }
        }
        return String(escaped)
    }
}
