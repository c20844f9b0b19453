/// The sample body of Haptik's integration page.
let sampleBody = Array(
    #"""
    {
      "node": "system name of the node",
      "event": "API_INTEGRATION",
      "user": { "user_name": "haptik username", "full_name": "", "device_platform": 5 },
      "entities": {
        "product_id":   [ { "detection": "message",      "original_text": "71",            "entity_value": "71" } ],
        "email":        [ { "detection": "user_profile", "original_text": "test@test.com", "entity_value": "test@test.com" } ],
        "product_name": [ { "detection": "default",      "original_text": "headphones",    "entity_value": "headphones" } ]
      }
    }
    """#.utf8
)

/// A body in the manner of Haptik's newer documents.
let newerBody = Array(
    #"""
    {"step":"pay","event":"API_INTEGRATION","conversation_no":4711,
     "user":{"user_name":"u","full_name":"Zoë \ud83d\ude00","device_platform":14,"user_id":99,"language_code":"hi",
             "auth_id":"a-1","auth_code":"s3cret","shoe_size":43},
     "conversation_details":{"cart":[1,2]},"user_details":{"vip":true},"env_variables":{"API_KEY":"k"},
     "entities":{"amount":[{"detection":"message","original_text":"30 rupees\u0000","entity_value":{"value":"30","unit":"rupees"}},
                           {"entity_value":{"value":7}},{"entity_value":8},{"entity_value":{"hh":12,"mm":30,"nn":"pm"}},{}],
                 "none":[]},
     "future":{"x":null}}
    """#.utf8
)

/// Bytes of a text.
func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }
