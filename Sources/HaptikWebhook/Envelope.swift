/// What the ingress needs to know of a body: that the contract holds, and which node it is for.
///
/// Checks all of the body and decodes nothing of it but the node's name.
package struct Envelope: Sendable, Hashable {
    /// The name of the node that asks.
    package let node: String

    /// Judges a body.
    ///
    /// - Parameter body: The bytes as they were received.
    /// - Throws: A ``ContractError`` for the sender. Broken JSON goes before a broken contract.
    package init(checking body: UnsafeRawBufferPointer) throws(ContractError) {
        var check = ContractCheck()
        do throws(JSONError) {
            try JSONScanner.scan(body) { (scanner: inout JSONScanner) throws(JSONError) in
                try check.document(&scanner)
            }
        } catch {
            throw ContractError(error)
        }
        node = try check.finish()
    }

    /// Judges a body.
    ///
    /// - Parameter body: The bytes as they were received.
    /// - Throws: A ``ContractError`` for the sender. Broken JSON goes before a broken contract.
    package init(checking body: [UInt8]) throws(ContractError) {
        self = try body.withUnsafeBufferPointer { (buffer) throws(ContractError) in
            try Envelope(checking: UnsafeRawBufferPointer(buffer))
        }
    }

    /// The same of a body that has been parsed; nil where it may not keep the contract.
    init?(keptBy fields: [String: JSONValue]) {
        let names = [fields["node"], fields["step"]].compactMap(\.self)
        guard let name = names.first?.string, names.allSatisfy({ $0.string == name }),
            ContractCheck.fault(ofName: name) == nil,
            fields["event"]?.string != nil,
            fields["user"]?.object != nil,
            let entities = fields["entities"]?.object,
            entities.values.allSatisfy({ $0.array?.allSatisfy { $0.object != nil } ?? false })
        else { return nil }
        node = name
    }
}
