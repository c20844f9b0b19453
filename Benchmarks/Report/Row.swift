import LoadGenerator

/// One line of the table: a figure beside its target.
struct Row: Codable, Sendable {
    enum Verdict: String, Codable, Sendable {
        case met
        case missed
        /// There is no target.
        case reported
        /// It could not be measured.
        case failed
    }

    /// A figure against another of the same run, which a faster machine would change too.
    struct Ratio: Codable, Sendable {
        let value: Double
        let bound: Double
        let isMet: Bool
        /// Of several rounds, whose median the value is, whether the better quartile meets it at least: else it is no noise.
        var isMetByQuartile: Bool?
        /// Of these rounds, in their order.
        var rounds: [Double]?

        static func atLeast(_ bound: Double, _ value: Double, of rounds: [Double]? = nil) -> Ratio {
            let better = rounds?.quantile(0.75)
            return Ratio(
                value: value,
                bound: bound,
                isMet: value >= bound,
                isMetByQuartile: better.map { $0 >= bound },
                rounds: rounds
            )
        }

        static func atMost(_ bound: Double, _ value: Double, of rounds: [Double]? = nil) -> Ratio {
            let better = rounds?.quantile(0.25)
            return Ratio(
                value: value,
                bound: bound,
                isMet: value <= bound,
                isMetByQuartile: better.map { $0 <= bound },
                rounds: rounds
            )
        }
    }

    let scenario: String
    let what: String
    let figure: String
    var target = ""
    var floors = ""
    var ratio: Ratio?
    var verdict = Verdict.reported
    var note = ""
    var measurement: Measurement?

    /// A figure, with what it is judged by.
    ///
    /// `isMet` says whether the target's absolute figure is reached, nil where there is none. A target that has a ratio
    /// too is met by either.
    init(
        _ scenario: String,
        _ what: String,
        _ figure: String,
        target: String = "",
        isMet: Bool? = nil,
        ratio: Ratio? = nil,
        floors: String = "",
        note: String = "",
        _ measurement: Measurement? = nil
    ) {
        self.scenario = scenario
        self.what = what
        self.figure = figure
        self.target = target
        self.floors = floors
        self.ratio = ratio
        self.note = note
        self.measurement = measurement
        let verdicts = [isMet, ratio?.isMet].compactMap(\.self)
        if !verdicts.isEmpty { self.verdict = verdicts.contains(true) ? .met : .missed }
        if let load = measurement?.load, !load.isRight {
            self.verdict = .missed
            self.note = [note, Self.complaint(load)].filter { !$0.isEmpty }.joined(separator: "; ")
        }
    }

    /// A scenario that could not be measured.
    init(_ scenario: String, failed error: any Error) {
        self.scenario = scenario
        self.what = "could not be measured"
        self.figure = ""
        self.verdict = .failed
        self.note = "\(error)"
    }

    /// Whether what `--check` looks at is as it must be: ratios, but for what may be noise, and that every call was answered right.
    var passesCheck: Bool {
        self.verdict != .failed && self.ratio.map { $0.isMetByQuartile ?? $0.isMet } ?? true
            && self.measurement?.load.isRight ?? true
    }

    private static func complaint(_ load: LoadResult) -> String {
        guard load.sent > 0 else { return "no call was made" }
        let refused = load.refused.sorted { $0.key < $1.key }.map { "\($0.value) got \($0.key)" }
        let counts = [(load.wrong, "wrong"), (load.failed, "failed"), (load.unanswered, "unanswered")]
        let others = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return "of \(load.sent) calls " + (refused + others).joined(separator: ", ")
    }
}
