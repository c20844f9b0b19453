import LoadGenerator

/// A load beside the same load without what it is measured for, before it and after it.
///
/// A machine that other things share changes its pace within minutes: before and after, that shows, and hits both sides.
struct Comparison {
    typealias Figure = (LoadResult) -> Double

    let before: Measurement
    let changed: Measurement
    let after: Measurement

    /// The changed load's figure by the mean of the two others'.
    func ratio(_ figure: Figure) -> Double {
        2 * figure(self.changed.load) / (figure(self.before.load) + figure(self.after.load))
    }

    /// What a figure was without the change, as the table says it.
    func without(_ figure: Figure, _ text: (Double) -> String) -> String {
        "\(text(figure(self.before.load))), then \(text(figure(self.after.load)))"
    }
}
