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
}
