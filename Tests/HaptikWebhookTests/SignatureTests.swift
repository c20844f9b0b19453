import HaptikWebhook
import Testing

@Suite("Signatures")
struct SignatureTests {
    static let body = utf8(#"{"node":"n","event":"API_INTEGRATION","user":{},"entities":{}}"#)
    static let header = "sha1=c6cff29e7877b396f03d7f1231048c108845cb29"

    struct Vector: Sendable {
        let key: [UInt8]
        let data: [UInt8]
        let digest: String
    }

    static let rfc2202 = [
        Vector(
            key: Array(repeating: 0x0B, count: 20),
            data: utf8("Hi There"),
            digest: "b617318655057264e28bc0b6fb378c8ef146be00"
        ),
        Vector(
            key: utf8("Jefe"),
            data: utf8("what do ya want for nothing?"),
            digest: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        ),
        Vector(
            key: Array(repeating: 0xAA, count: 20),
            data: Array(repeating: 0xDD, count: 50),
            digest: "125d7342b9ac11cd91a39af48aa17b4f63f175d3"
        ),
        Vector(
            key: Array(1...25),
            data: Array(repeating: 0xCD, count: 50),
            digest: "4c9007f4026250c6bc8414f9bf50c86c2d7235da"
        ),
        Vector(
            key: Array(repeating: 0x0C, count: 20),
            data: utf8("Test With Truncation"),
            digest: "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"
        ),
        Vector(
            key: Array(repeating: 0xAA, count: 80),
            data: utf8("Test Using Larger Than Block-Size Key - Hash Key First"),
            digest: "aa4ae5e15272d00e95705637ce8a3b55ed402112"
        ),
        Vector(
            key: Array(repeating: 0xAA, count: 80),
            data: utf8("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"),
            digest: "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"
        ),
    ]

    @Test("the seven HMAC-SHA1 vectors of RFC 2202 hold", arguments: rfc2202)
    func vectors(_ vector: Vector) throws {
        let verifier = try SignatureVerifier(algorithm: .sha1, keys: [vector.key])
        #expect(verifier.verify(header: "sha1=" + vector.digest, body: vector.data))
        #expect(!verifier.verify(header: "sha1=" + vector.digest, body: vector.data + [0]))
        #expect(verifier.header(for: vector.data) == "sha1=" + vector.digest)
    }

    @Test(
        "a body is signed as openssl signs it",
        arguments: [
            (SignatureAlgorithm.sha1, "c6cff29e7877b396f03d7f1231048c108845cb29"),
            (.sha256, "3d4fc2f62f453f3246a1b6c190ef4b0e5c5da552953e077eb8e790a1756ebc58"),
            (
                .sha384,
                "f2c346e985ecbfa25c01bd09d41b163df738dd065e60a00e925501a7d5f33774e0e987d994cc57eb87190400f7d053c4"
            ),
            (
                .sha512,
                "1901063e9636056f88a1a71e8888b091ad29270325628af26a0114164965563d"
                    + "5453d5502dfc71c42ed4812793eaa6d11995494380bbc3c0503e3d0aae4ee631"
            ),
        ]
    )
    func openssl(algorithm: SignatureAlgorithm, digest: String) throws {
        let header = SignatureVerifier.header(for: Self.body, secret: "test", algorithm: algorithm)
        #expect(header == "\(algorithm.rawValue)=\(digest)")
        let verifier = try SignatureVerifier(algorithm: algorithm, secrets: ["test"])
        #expect(verifier.verify(header: header, body: Self.body))
        for other in SignatureAlgorithm.allCases where other != algorithm {
            let verifier = try SignatureVerifier(algorithm: other, secrets: ["test"])
            #expect(!verifier.verify(header: header, body: Self.body))
            #expect(!verifier.verify(header: "\(other.rawValue)=\(digest)", body: Self.body))
        }
    }

    @Test("every active secret is accepted, and no other")
    func rotation() throws {
        for secrets in [["test"], ["test", "new"], ["new", "test"], ["a", "b", "test", "c"]] {
            let verifier = try SignatureVerifier(algorithm: .sha1, secrets: secrets)
            #expect(verifier.verify(header: Self.header, body: Self.body))
            for secret in secrets {
                let header = SignatureVerifier.header(for: Self.body, secret: secret, algorithm: .sha1)
                #expect(verifier.verify(header: header, body: Self.body))
            }
        }
        let verifier = try SignatureVerifier(algorithm: .sha1, secrets: ["new", "Test", "test "])
        #expect(!verifier.verify(header: Self.header, body: Self.body))
    }

    @Test("digits in upper and mixed case are accepted")
    func upperCase() throws {
        let verifier = try SignatureVerifier(algorithm: .sha1, secrets: ["test"])
        #expect(verifier.verify(header: "sha1=C6CFF29E7877B396F03D7F1231048C108845CB29", body: Self.body))
        #expect(verifier.verify(header: "sha1=C6cff29E7877b396f03d7f1231048c108845cB29", body: Self.body))
    }

    @Test(
        "a missing, malformed or wrong header is refused",
        arguments: [
            nil, "", "sha1", "sha1=", "=", "c6cff29e7877b396f03d7f1231048c108845cb29",
            "sha1=c6cff29e7877b396f03d7f1231048c108845cb2", "sha1=c6cff29e7877b396f03d7f1231048c108845cb2900",
            "sha1=c6cff29e7877b396f03d7f1231048c108845cb28", "sha1=d6cff29e7877b396f03d7f1231048c108845cb29",
            "SHA1=c6cff29e7877b396f03d7f1231048c108845cb29", "sha1:c6cff29e7877b396f03d7f1231048c108845cb29",
            "sha1= c6cff29e7877b396f03d7f1231048c108845cb2", " sha1=c6cff29e7877b396f03d7f1231048c108845cb29",
            "sha1=g6cff29e7877b396f03d7f1231048c108845cb29", "sha1=c6cff29e7877b396f03d7f1231048c108845cb2\u{0}",
            "sha1=ääääääääääääääääääää", "sha1=0000000000000000000000000000000000000000",
            "sha256=c6cff29e7877b396f03d7f1231048c108845cb29", "md5=c6cff29e7877b396f03d7f1231048c108845cb29",
        ]
    )
    func refused(header: String?) throws {
        let verifier = try SignatureVerifier(algorithm: .sha1, secrets: ["test"])
        #expect(!verifier.verify(header: header, body: Self.body))
    }

    @Test("any bit of the body or of the signature counts")
    func everyBit() throws {
        let verifier = try SignatureVerifier(algorithm: .sha1, secrets: ["test"])
        for index in Self.body.indices {
            var body = Self.body
            body[index] ^= 1
            #expect(!verifier.verify(header: Self.header, body: body))
        }
        #expect(!verifier.verify(header: Self.header, body: []))
        #expect(verifier.verify(header: verifier.header(for: []), body: []))
    }

    @Test("no secrets or an empty one is an error")
    func emptySecrets() {
        let none = #expect(throws: SignatureError.self) {
            try SignatureVerifier(algorithm: .sha1, secrets: [])
        }
        #expect(none?.code == .noSecrets)
        #expect(none?.description == "a signed endpoint needs at least one secret")
        let empty = #expect(throws: SignatureError.self) {
            try SignatureVerifier(algorithm: .sha1, secrets: ["hush-hush", ""])
        }
        #expect(empty?.code == .emptySecret)
        #expect(empty?.description == "a secret is empty")
    }

    @Test("a secret is never printed")
    func secrecy() throws {
        let verifier = try SignatureVerifier(algorithm: .sha1, secrets: ["hush-hush"])
        var dumped = ""
        dump(verifier, to: &dumped)
        dump([verifier], to: &dumped)
        let printed = [verifier.description, verifier.debugDescription, "\([verifier])", String(reflecting: verifier)]
        for text in printed + [dumped] {
            #expect(!text.contains("hush"))
            #expect(!text.contains("104"), "nor its bytes")
        }
        #expect(verifier.description == "SignatureVerifier(sha1, secrets: 1)")
    }
}
