import PostgresClient

/// Finds what the database refuses of a batch, by halves, so that the rest goes through.
struct BatchSplit<Element> {
    typealias Refused = (element: Element, error: PostgresError)

    /// Sends a part of the batch, or nothing; what the database says against it.
    let send: ([Element]) throws(PostgresError) -> PostgresError?

    /// What of the batch is refused alone; nil where not the batch is at fault, but the queue that it was sent to.
    ///
    /// That is so where nothing at all is refused like the batch, and where each of several is refused alike, for a reason
    /// that lies in the schema. What may succeed another time is thrown; and what was refused before the schema was mended,
    /// which may be at any moment, is sent once more.
    func refused(of batch: [Element], after error: PostgresError) throws(PostgresError) -> [Refused]? {
        guard error.isFinal else { throw error }
        if error.mayLieInSchema, try self.send([]) != nil { return nil }
        let refused = try self.split(batch, after: error)
        let isAlike =
            batch.count > 1 && refused.count == batch.count && error.mayLieInSchema
            && refused.allSatisfy { $0.error.sqlState == error.sqlState }
        return isAlike ? nil : try self.refusedAgain(refused)
    }

    private func refusedAgain(_ refused: [Refused]) throws(PostgresError) -> [Refused] {
        var again: [Refused] = []
        for (element, error) in refused {
            guard error.mayLieInSchema else {
                again.append((element, error))
                continue
            }
            guard let error = try self.send([element]) else { continue }
            guard error.isFinal else { throw error }
            again.append((element, error))
        }
        return again
    }

    private func split(_ batch: [Element], after error: PostgresError) throws(PostgresError) -> [Refused] {
        guard error.isFinal else { throw error }
        if batch.count == 1 { return [(batch[0], error)] }
        var refused: [Refused] = []
        let middle = batch.count / 2
        for half in [Array(batch[..<middle]), Array(batch[middle...])] {
            if let error = try self.send(half) { refused += try self.split(half, after: error) }
        }
        return refused
    }
}

extension PostgresError {
    /// The server has refused a statement, and would refuse it again.
    fileprivate var isFinal: Bool { self.code == .server && self.sqlState != nil && !self.isTransient }

    /// The schema may be at fault, which lacks a function, a column or a right, rather than what was sent to it.
    ///
    /// By class of SQLSTATE: any but P0, which a function says in its own words, and those of values.
    fileprivate var mayLieInSchema: Bool { !self.isFaultOfValues && self.sqlState?.hasPrefix("P0") == false }
}

extension Result {
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
