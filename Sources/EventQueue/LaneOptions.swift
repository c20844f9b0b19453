/// A group of handlers that share slots and options.
///
/// It claims, sleeps and is woken apart from the worker's other lanes.
package struct LaneOptions: Sendable, Hashable {
    /// The nodes that it serves; nil serves every node but for `excluding`.
    package var nodes: [String]?
    /// With `nodes` nil: those that other lanes of the worker serve.
    package var excluding: [String] = []
    /// How many events it handles at once.
    package var slots: Int
    package var maxAttempts: Int
    package var atMostOnce: Bool

    package init(nodes: [String]?, excluding: [String] = [], slots: Int, maxAttempts: Int, atMostOnce: Bool) {
        self.nodes = nodes
        self.excluding = excluding
        self.slots = slots
        self.maxAttempts = maxAttempts
        self.atMostOnce = atMostOnce
    }

    /// As `rejoinder.register` reads them.
    static func json(_ lanes: [LaneOptions]) -> String {
        func array(_ strings: [String]) -> String { "[\(strings.map(quoted).joined(separator: ","))]" }
        let objects = lanes.map { lane in
            let nodes = lane.nodes.map(array) ?? "null"
            return """
                {"nodes":\(nodes),"excluding":\(array(lane.excluding)),"slots":\(lane.slots),\
                "max_attempts":\(lane.maxAttempts),"takes_grants":\(!lane.atMostOnce)}
                """
        }
        return "[\(objects.joined(separator: ","))]"
    }

    private static func quoted(_ string: String) -> String {
        let escaped = string.unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case ..<" ": text += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: text.unicodeScalars.append(scalar)
            }
        }
        return "\"\(escaped)\""
    }
}
