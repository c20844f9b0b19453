/// Where a string of the document is: what stands between its quotes, not yet unescaped.
struct JSONText {
    /// The first byte after the opening quote.
    let offset: Int

    /// The number of bytes between the quotes.
    let count: Int

    /// Whether an escape has to be resolved.
    let isEscaped: Bool

    /// Whether every byte is ASCII and stands for itself.
    let isPlain: Bool
}
