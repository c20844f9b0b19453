extension Double {
    /// With so many places behind the point, and commas between thousands.
    func text(_ places: Int) -> String {
        guard self.isFinite else { return "?" }
        let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
        let digits = String(Int((abs(self) * scale).rounded()))
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        var whole = String(padded.dropLast(places))
        var groups: [String] = []
        while whole.count > 3 {
            groups.insert(String(whole.suffix(3)), at: 0)
            whole.removeLast(3)
        }
        let text = ([whole] + groups).joined(separator: ",") + (places > 0 ? "." + padded.suffix(places) : "")
        return self < 0 ? "-" + text : text
    }

    /// Calls or events per second.
    var perSecond: String { "\(self.text(0))/s" }

    var milliseconds: String { "\(self.text(2)) ms" }

    var mebibytes: String { "\(self.text(0)) MiB" }
}
