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

        static func atLeast(_ bound: Double, _ value: Double) -> Ratio {
            Ratio(value: value, bound: bound, isMet: value >= bound)
        }

        static func atMost(_ bound: Double, _ value: Double) -> Ratio {
            Ratio(value: value, bound: bound, isMet: value <= bound)
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

    /// Whether what `--check` looks at is as it must be: ratios, and that every call was answered right.
    var passesCheck: Bool {
        self.verdict != .failed && self.ratio?.isMet ?? true && self.measurement?.load.isRight ?? true
    }

    private static func complaint(_ load: LoadResult) -> String {
        guard load.sent > 0 else { return "no call was made" }
        let refused = load.refused.sorted { $0.key < $1.key }.map { "\($0.value) got \($0.key)" }
        let counts = [(load.wrong, "wrong"), (load.failed, "failed"), (load.unanswered, "unanswered")]
        let others = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return "of \(load.sent) calls " + (refused + others).joined(separator: ", ")
    }
}
