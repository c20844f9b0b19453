/// Why something can't be measured or tried; one line for a person.
package struct StageError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
