/// The arguments of one statement, in PostgreSQL's binary format, in one buffer.
///
/// The types are the server's affair: it infers them from the statement, so each value must be appended in the form of
/// the parameter's declared type (`Int32` for `integer`, `Int64` for `bigint`, …).
package struct PostgresArguments: Sendable {
    /// The values one after the other.
    ///
    /// Each is followed by a zero byte, which libpq never reads.
    private(set) var bytes: [UInt8] = []
    /// Where each value lies in `bytes`; nil is SQL's null.
    private(set) var ranges: [Range<Int>?] = []
    /// Where the value that is being written begins.
    private var start = 0

    package init() {}

    /// The type's oid, as `pg_type` has it, for the elements of an array.
    package enum ElementType: UInt32, Sendable {
        case bigint = 20
        case integer = 23
        case text = 25
        case json = 114
        case uuid = 2950
    }

    package mutating func appendNull() { self.ranges.append(nil) }

    package mutating func append(_ value: Bool) { self.value { $0.append(value ? 1 : 0) } }

    package mutating func append(_ value: Int32) { self.value { $0.append(bigEndian: value) } }

    package mutating func append(_ value: Int64) { self.value { $0.append(bigEndian: value) } }

    package mutating func append(_ value: Double) { self.value { $0.append(bigEndian: value.bitPattern) } }

    package mutating func append(_ value: String?) {
        guard let value else { return self.appendNull() }
        self.value { $0.append(contentsOf: value.utf8) }
    }

    /// `jsonb` has a version byte before its text.
    package mutating func append(jsonb text: String) {
        self.value {
            $0.append(1)
            $0.append(contentsOf: text.utf8)
        }
    }

    package mutating func append(_ values: [Int32]) {
        self.beginArray(of: .integer, count: values.count, elementBytes: 4)
        for value in values {
            self.bytes.append(bigEndian: Int32(4))
            self.bytes.append(bigEndian: value)
        }
        self.endValue()
    }

    package mutating func append(_ values: [Int32?]) {
        let hasNulls = values.contains { $0 == nil }
        self.beginArray(of: .integer, count: values.count, elementBytes: 4, hasNulls: hasNulls)
        for value in values {
            self.bytes.append(bigEndian: Int32(value == nil ? -1 : 4))
            if let value { self.bytes.append(bigEndian: value) }
        }
        self.endValue()
    }

    package mutating func append(_ values: [Int64]) {
        self.beginArray(of: .bigint, count: values.count, elementBytes: 8)
        for value in values {
            self.bytes.append(bigEndian: Int32(8))
            self.bytes.append(bigEndian: value)
        }
        self.endValue()
    }

    package mutating func append(_ values: [String]?) {
        guard let values else { return self.appendNull() }
        self.beginArray(of: .text, count: values.count, elementBytes: 16)
        for value in values { self.appendElement(value) }
        self.endValue()
    }

    package mutating func append(_ values: [String?]) {
        self.beginArray(of: .text, count: values.count, elementBytes: 16, hasNulls: values.contains { $0 == nil })
        for value in values { self.appendElement(value) }
        self.endValue()
    }

    /// JSON texts, as bytes.
    package mutating func append(json values: [[UInt8]?]) {
        let size = values.reduce(0) { $0 + ($1?.count ?? 0) }
        self.beginArray(
            of: .json,
            count: values.count,
            elementBytes: size / max(1, values.count),
            hasNulls: values.contains { $0 == nil }
        )
        for value in values {
            guard let value else {
                self.bytes.append(bigEndian: Int32(-1))
                continue
            }
            self.bytes.append(bigEndian: Int32(value.count))
            self.bytes.append(contentsOf: value)
        }
        self.endValue()
    }

    /// UUIDs, as their sixteen bytes in two halves, most significant first.
    package mutating func append(uuids values: [(high: UInt64, low: UInt64)]) {
        self.beginArray(of: .uuid, count: values.count, elementBytes: 16)
        for value in values {
            self.bytes.append(bigEndian: Int32(16))
            self.bytes.append(bigEndian: value.high)
            self.bytes.append(bigEndian: value.low)
        }
        self.endValue()
    }

    private mutating func value(_ write: (inout [UInt8]) -> Void) {
        self.start = self.bytes.count
        write(&self.bytes)
        self.endValue()
    }

    private mutating func endValue() {
        self.ranges.append(self.start..<self.bytes.count)
        self.bytes.append(0)
    }

    /// The format of `array_send` in `arrayfuncs.c`: dimensions, a flag for nulls, the element's type, length and lower
    /// bound of each dimension, then each element with its length (-1 is null).
    private mutating func beginArray(of type: ElementType, count: Int, elementBytes: Int, hasNulls: Bool = false) {
        self.start = self.bytes.count
        // Doubled at the least, so that many arrays one after the other don't each move what is there.
        let needed = self.start + 24 + count * (4 + elementBytes)
        if needed > self.bytes.capacity { self.bytes.reserveCapacity(max(needed, 2 * self.bytes.capacity)) }
        self.bytes.append(bigEndian: Int32(count == 0 ? 0 : 1))
        self.bytes.append(bigEndian: Int32(hasNulls ? 1 : 0))
        self.bytes.append(bigEndian: type.rawValue)
        guard count > 0 else { return }
        self.bytes.append(bigEndian: Int32(count))
        self.bytes.append(bigEndian: Int32(1))
    }

    private mutating func appendElement(_ text: String?) {
        guard let text else { return self.bytes.append(bigEndian: Int32(-1)) }
        self.bytes.append(bigEndian: Int32(text.utf8.count))
        self.bytes.append(contentsOf: text.utf8)
    }
}

extension [UInt8] {
    /// Appends an integer in network byte order.
    package mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self.append(contentsOf: $0) }
    }
}
