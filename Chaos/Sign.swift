import RejoinderMetrics
import Stage

/// What an operator sees of a fault: in the metrics of a process that was ready, or on the dashboard.
///
/// What was there before the fault is no sign of it.
enum Sign: Sendable, Equatable {
    /// A counter rises; that of these labels, such as `code="overloaded"`.
    case rises(Metric, [String] = [])
    /// A gauge comes to a value or above it.
    case reaches(Metric, Double)
    /// A gauge falls to 0.
    case falls(Metric)
    /// A process does not answer when it is scraped.
    case isSilent
    /// The dashboard has a text.
    case isShown(String)
}

extension Sign: CustomStringConvertible {
    var description: String {
        switch self {
        case .rises(let metric, let labels):
            "\(metric.name)\(labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}") rises"
        case .reaches(let metric, let value): "\(metric.name) reaches \(value)"
        case .falls(let metric): "\(metric.name) falls to 0"
        case .isSilent: "a process can't be scraped"
        case .isShown(let text): "the dashboard shows \"\(text)\""
        }
    }

    /// Whether a process shows it that has looked differently before; nil is no answer.
    func isSeen(in now: Scrape?, before: Scrape) -> Bool {
        guard let now else {
            guard case .isSilent = self else { return false }
            return true
        }
        return switch self {
        case .rises(let metric, let labels): (now[metric.name, labels] ?? 0) > (before[metric.name, labels] ?? 0)
        case .reaches(let metric, let value): (now[metric.name] ?? 0) >= value
        case .falls(let metric): now[metric.name] == 0 && before[metric.name] != 0
        case .isSilent, .isShown: false
        }
    }

    /// Whether a dashboard shows it that has not before.
    func isSeen(on page: String, before: String) -> Bool {
        guard case .isShown(let text) = self else { return false }
        return page.contains(text) && !before.contains(text)
    }
}
