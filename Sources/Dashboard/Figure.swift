/// Numbers as people read them.
enum Figure {
    /// `12,345`.
    static func count(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number.magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (number < 0 ? "−" : "") + String(text.reversed())
    }

    /// `0.02`, `4.2`, `1,234`.
    static func rate(_ number: Double) -> String {
        if number >= 99.95 || number >= 1 && number == number.rounded() { return self.count(Int(number.rounded())) }
        if number == 0 { return "0" }
        return self.decimal(number, number < 0.995 ? 2 : 1)
    }

    /// Milliseconds, as `0.8 ms`, `12 ms`, `1.2 s`, `29 s`, `3 min`, `2.5 h`, `4 d`.
    static func time(_ milliseconds: Double) -> String {
        switch milliseconds {
        case ..<0: "−" + self.time(-milliseconds)
        case ..<9.95: self.decimal(milliseconds, 1) + " ms"
        case ..<999.5: "\(Int(milliseconds.rounded())) ms"
        case ..<9950: self.decimal(milliseconds / 1000, 1) + " s"
        case ..<120_000: "\(Int((milliseconds / 1000).rounded())) s"
        case ..<7_200_000: "\(Int((milliseconds / 60_000).rounded())) min"
        case ..<172_800_000: self.decimal(milliseconds / 3_600_000, 1) + " h"
        default: "\(Int((milliseconds / 86_400_000).rounded())) d"
        }
    }

    static func time(_ milliseconds: Int64) -> String { self.time(Double(milliseconds)) }

    /// A share of a whole, `99.2 %`; never rounded up to all or down to nothing.
    static func share(_ part: Int, of whole: Int) -> String {
        guard whole > 0 else { return "–" }
        let share = Double(part) / Double(whole) * 100
        if part == whole || part == 0 { return "\(Int(share)) %" }
        return self.decimal(min(99.9, max(0.1, share)), 1) + " %"
    }

    static func decimal(_ number: Double, _ places: Int) -> String {
        let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
        let scaled = Int((number * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
    }
}
