extension JSONScanner {
    /// Refuses an object in which two keys are the same once their escapes are resolved.
    ///
    /// A few plain keys are compared with each other; many are put into a set, whose hashes are seeded at random, so
    /// that no sender can make them collide. Keys beyond ASCII are compared as `String` does, by canonical
    /// equivalence: two keys that a dictionary could not tell apart are duplicates.
    @inline(never)
    func checkDuplicates(_ keys: ArraySlice<JSONText>) throws(JSONError) {
        guard keys.allSatisfy(\.isPlain) else {
            var seen = Set<String>(minimumCapacity: keys.count)
            for key in keys where try !seen.insert(unescaped(key)).inserted {
                throw duplicate(key)
            }
            return
        }
        guard keys.count > 12 else { return try checkFewPlainKeys(keys) }
        var seen = Set<PlainKey>(minimumCapacity: keys.count)
        for key in keys where !seen.insert(PlainKey(bytes: raw(key))).inserted {
            throw duplicate(key)
        }
    }

    private func checkFewPlainKeys(_ keys: ArraySlice<JSONText>) throws(JSONError) {
        for index in keys.indices.dropFirst() {
            let key = keys[index]
            for earlier in keys[..<index] where earlier.count == key.count {
                if raw(earlier).elementsEqual(raw(key)) {
                    throw duplicate(key)
                }
            }
        }
    }

    private func duplicate(_ key: JSONText) -> JSONError {
        JSONError(.duplicateKey, at: key.offset - 1, "a key occurs twice in one object")
    }
}

/// An ASCII key without escapes, compared byte by byte.
private struct PlainKey: Hashable {
    let bytes: UnsafeRawBufferPointer

    static func == (left: PlainKey, right: PlainKey) -> Bool {
        left.bytes.elementsEqual(right.bytes)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(bytes: bytes)
    }
}
