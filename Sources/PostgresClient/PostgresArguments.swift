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

    package mutating func append(_ values: some Collection<Int32>) {
        self.array(of: .integer, values) { $0.append(bigEndian: $1) }
    }

    package mutating func append(_ values: some Collection<Int64>) {
        self.array(of: .bigint, values) { $0.append(bigEndian: $1) }
    }

    package mutating func append(_ values: [String]?) {
        guard let values else { return self.appendNull() }
        self.array(of: .text, values) { $0.append(contentsOf: $1.utf8) }
    }

    package mutating func append(_ values: some Collection<String?>) {
        self.optionalArray(of: .text, values) { $0.append(contentsOf: $1.utf8) }
    }

    /// JSON texts, as bytes.
    package mutating func append(json values: some Collection<[UInt8]?>) {
        self.optionalArray(of: .json, values) { $0.append(contentsOf: $1) }
    }

    /// UUIDs, as their sixteen bytes in two halves, most significant first.
    package mutating func append(uuids values: some Collection<(high: UInt64, low: UInt64)>) {
        self.array(of: .uuid, values) {
            $0.append(bigEndian: $1.high)
            $0.append(bigEndian: $1.low)
        }
    }

    private mutating func value(_ write: (inout [UInt8]) -> Void) {
        let start = self.bytes.count
        write(&self.bytes)
        self.ranges.append(start..<self.bytes.count)
        self.bytes.append(0)
    }

    private mutating func array<Element>(
        of type: ElementType,
        _ values: some Collection<Element>,
        _ write: (inout [UInt8], Element) -> Void
    ) {
        self.optionalArray(of: type, values.lazy.map(Optional.some), write)
    }

    /// The format of `array_send` in `arrayfuncs.c`: dimensions, a flag for nulls, the element's type, length and lower
    /// bound of each dimension, then each element with its length (-1 is null).
    private mutating func optionalArray<Element>(
        of type: ElementType,
        _ values: some Collection<Element?>,
        _ write: (inout [UInt8], Element) -> Void
    ) {
        self.value { bytes in
            bytes.append(bigEndian: Int32(values.isEmpty ? 0 : 1))
            bytes.append(bigEndian: Int32(values.contains { $0 == nil } ? 1 : 0))
            bytes.append(bigEndian: type.rawValue)
            guard !values.isEmpty else { return }
            bytes.append(bigEndian: Int32(values.count))
            bytes.append(bigEndian: Int32(1))
            for element in values {
                guard let element else {
                    bytes.append(bigEndian: Int32(-1))
                    continue
                }
                let lengthAt = bytes.count
                bytes.append(bigEndian: Int32(0))
                write(&bytes, element)
                let length = UInt32(bytes.count - lengthAt - 4)
                for byte in 0..<4 {
                    bytes[lengthAt + byte] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(byte)))
                }
            }
        }
    }
}

extension [UInt8] {
    /// Appends an integer in network byte order.
    package mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self.append(contentsOf: $0) }
    }
}
