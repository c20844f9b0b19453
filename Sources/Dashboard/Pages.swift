import Crypto
import Mustache

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The templates, and the policy that lets a browser run their script and style and nothing else.
struct Pages: Sendable {
    /// The parts of the page that are kept live, by the id of their place.
    static let fragments = [
        "state", "stamp", "tiles", "incidents", "calls", "times", "queue", "waiting", "workers", "failures", "steered",
    ]

    private let library: MustacheLibrary
    let contentSecurityPolicy: String

    init() {
        MustacheContentTypes.register(ScalarEscape(), named: "SCALARS")
        var library = MustacheLibrary()
        for (name, bytes) in Self.sources {
            let text = "{{% CONTENT_TYPE: SCALARS}}" + String(decoding: bytes, as: UTF8.self)
            do { try library.register(text, named: name) } catch {
                preconditionFailure("the template \(name) is malformed: \(error)")
            }
        }
        self.library = library
        self.contentSecurityPolicy = [
            "default-src 'none'", "script-src '\(Self.digest(Self.script))'", "style-src '\(Self.digest(Self.style))'",
            "img-src data:", "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
        ].joined(separator: "; ")
    }

    static let style = String(decoding: PackageResources.style_css, as: UTF8.self)
    static let script = String(decoding: PackageResources.script_js, as: UTF8.self)

    private static let sources: [(String, [UInt8])] = [
        ("layout", PackageResources.layout_mustache), ("overview", PackageResources.overview_mustache),
        ("state", PackageResources.state_mustache), ("stamp", PackageResources.stamp_mustache),
        ("tiles", PackageResources.tiles_mustache), ("calls", PackageResources.calls_mustache),
        ("times", PackageResources.times_mustache), ("queue", PackageResources.queue_mustache),
        ("workers", PackageResources.workers_mustache), ("incidents", PackageResources.incidents_mustache),
        ("waiting", PackageResources.waiting_mustache), ("steered", PackageResources.steered_mustache),
        ("failures", PackageResources.failures_mustache),
        ("event", PackageResources.event_mustache), ("life", PackageResources.life_mustache),
        ("login", PackageResources.login_mustache), ("action", PackageResources.action_mustache),
        ("message", PackageResources.message_mustache),
    ]

    func render(_ name: String, _ values: Any) -> String {
        guard let text = self.library.render(values, withTemplate: name) else {
            preconditionFailure("there is no template \(name)")
        }
        return text
    }

    private static func digest(_ text: String) -> String {
        "sha256-" + Data(SHA256.hash(data: Array(text.utf8))).base64EncodedString()
    }
}

/// Escapes each scalar by itself: a quotation mark that a combining mark follows is one too.
private struct ScalarEscape: MustacheContentType {
    func escapeText(_ text: String) -> String {
        var escaped = ""
        escaped.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "&": escaped += "&amp;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
