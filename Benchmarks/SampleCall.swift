import LoadGenerator

/// The call that is measured: the sample of Haptik's integration page, with the call's number in it.
enum SampleCall {
    static let secret = "benchmark"
    static let path = "/webhook"

    /// Its handler answers at once.
    static let echo = body(node: "echo")
    /// Its handler waits first.
    static let wait = body(node: "wait")

    /// What the handlers say, with the call's number.
    static let reply = Template(#""response":["{{n}}"]"#)

    private static func body(node: String) -> String {
        """
        {
          "node": "\(node)",
          "event": "API_INTEGRATION",
          "user": { "user_name": "haptik username", "full_name": "", "device_platform": 5 },
          "entities": {
            "n":            [ { "detection": "message",      "original_text": "{{n}}",         "entity_value": "{{n}}" } ],
            "email":        [ { "detection": "user_profile", "original_text": "test@test.com", "entity_value": "test@test.com" } ],
            "product_name": [ { "detection": "default",      "original_text": "speaker",       "entity_value": "speaker" } ]
          }
        }
        """
    }
}
