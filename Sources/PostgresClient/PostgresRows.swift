import CLibPQ

/// The rows of one result, in PostgreSQL's binary format.
///
/// - Note: `@unchecked Sendable` holds because nobody changes a `PGresult` once libpq has handed it out: its manual (34.20,
///   "Behavior in Threaded Programs") says that they "are normally read-only after creation, and so can be passed around
///   freely between threads", but for those who call its functions that change one, and nobody here does. `Session`, which
///   alone makes these, keeps no pointer of what it hands over; the pointer is private and constant, and all that is called on
///   it reads what is there: `PQntuples`, `PQnfields`, `PQfname`, `PQftype`, `PQgetisnull`, `PQgetvalue`, `PQgetlength`. `PQclear` runs in
///   `deinit` alone: once, after all that others did with it, since the last release of a reference is ordered after theirs.
package final class PostgresRows: @unchecked Sendable {
    private let result: OpaquePointer

    init(taking result: OpaquePointer) {
        self.result = result
    }

    deinit {
        PQclear(self.result)
    }

    package var count: Int { Int(PQntuples(self.result)) }
    package var columns: Int { Int(PQnfields(self.result)) }

    /// A column's name.
    package func name(ofColumn column: Int) -> String {
        self.requireColumn(column)
        return PQfname(self.result, Int32(column)).map { String(cString: $0) } ?? ""
    }

    /// The oid of a column's type, as `pg_type` has it.
    package func type(ofColumn column: Int) -> UInt32 {
        self.requireColumn(column)
        return PQftype(self.result, Int32(column))
    }

    package func isNull(_ row: Int, _ column: Int) -> Bool {
        self.requireField(row, column)
        return PQgetisnull(self.result, Int32(row), Int32(column)) == 1
    }

    /// The value's bytes, which live as long as these rows; null reads as no bytes.
    package func withBytes<R>(_ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        self.requireField(row, column)
        let length = Int(PQgetlength(self.result, Int32(row), Int32(column)))
        return body(UnsafeRawBufferPointer(start: PQgetvalue(self.result, Int32(row), Int32(column)), count: length))
    }

    // libpq complains of what is not there to its connection, which may be gone.

    private func requireColumn(_ column: Int) {
        precondition((0..<self.columns).contains(column), "there is no column \(column)")
    }

    private func requireField(_ row: Int, _ column: Int) {
        self.requireColumn(column)
        precondition((0..<self.count).contains(row), "there is no row \(row)")
    }

    package func bytes(_ row: Int, _ column: Int) -> [UInt8] {
        self.withBytes(row, column) { [UInt8]($0) }
    }

    package func string(_ row: Int, _ column: Int) -> String {
        self.withBytes(row, column) { String(decoding: $0, as: UTF8.self) }
    }

    package func optionalString(_ row: Int, _ column: Int) -> String? {
        self.isNull(row, column) ? nil : self.string(row, column)
    }

    package func bool(_ row: Int, _ column: Int) -> Bool {
        self.withBytes(row, column) { $0.first == 1 }
    }

    /// A `double precision`.
    package func double(_ row: Int, _ column: Int) -> Double {
        Double(bitPattern: self.integer(row, column))
    }

    /// An integer of the column's own width (`smallint` 2, `integer` 4, `bigint` 8 bytes).
    package func integer<I: FixedWidthInteger>(_ row: Int, _ column: Int, as type: I.Type = I.self) -> I {
        self.withBytes(row, column) { bytes in
            precondition(bytes.count == MemoryLayout<I>.size, "column \(column) is not of \(I.bitWidth) bits")
            return I(bigEndian: bytes.loadUnaligned(as: I.self))
        }
    }

    package func optionalInteger<I: FixedWidthInteger>(_ row: Int, _ column: Int, as type: I.Type = I.self) -> I? {
        self.isNull(row, column) ? nil : self.integer(row, column)
    }

    /// A UUID's two halves.
    package func uuid(_ row: Int, _ column: Int) -> (high: UInt64, low: UInt64) {
        self.withBytes(row, column) { bytes in
            precondition(bytes.count == 16, "column \(column) is not a uuid")
            return (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    /// An array of `integer` without nulls.
    package func integers(_ row: Int, _ column: Int) -> [Int32] {
        self.elements(row, column) { Int32(bigEndian: $0.loadUnaligned(as: Int32.self)) }
    }

    /// An array of `text` without nulls.
    package func strings(_ row: Int, _ column: Int) -> [String] {
        self.elements(row, column) { String(decoding: $0, as: UTF8.self) }
    }

    /// An array of `uuid` without nulls; null reads as empty.
    package func uuids(_ row: Int, _ column: Int) -> [(high: UInt64, low: UInt64)] {
        self.elements(row, column) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    private func elements<Element>(
        _ row: Int,
        _ column: Int,
        _ read: (UnsafeRawBufferPointer) -> Element
    ) -> [Element] {
        self.withBytes(row, column) { bytes in
            func integer(at offset: Int) -> Int {
                Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
            }
            guard bytes.count >= 20, integer(at: 0) == 1 else { return [] }
            var elements: [Element] = []
            var offset = 20
            for _ in 0..<integer(at: 12) {
                let length = integer(at: offset)
                offset += 4
                guard length >= 0 else { continue }
                elements.append(read(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])))
                offset += length
            }
            return elements
        }
    }
}
