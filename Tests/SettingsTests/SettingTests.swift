import Settings
import Testing

@Suite("settings")
struct SettingTests {
    private let port = Setting.integer("http.port", help: "", in: 0...65535, default: 8080)

    @Test("the command line comes before the environment, that before the file, that before the default")
    func precedence() throws {
        func reader(_ option: String?, _ variable: String?, _ file: String?) -> SettingsReader {
            SettingsReader(
                options: ["http.port": option],
                environment: variable.map { ["REJOINDER_HTTP_PORT": $0] } ?? [:],
                file: file.map { ("f.json", ["http.port": $0]) }
            )
        }
        #expect(try reader("1", "2", "3").required(self.port) == 1)
        #expect(try reader(nil, "2", "3").required(self.port) == 2)
        #expect(try reader(nil, nil, "3").required(self.port) == 3)
        #expect(try reader(nil, nil, nil).required(self.port) == 8080)
    }

    @Test("a malformed value is named with its source and what was expected, never replaced by the default")
    func malformed() {
        func message(_ reader: SettingsReader) -> String? {
            do throws(SettingError) {
                _ = try reader.required(self.port)
                return nil
            } catch {
                return error.description
            }
        }
        let expected = "expected a whole number from 0 to 65535"
        #expect(
            message(SettingsReader(options: ["http.port": "x"], environment: [:]))
                == "--http-port is \"x\", \(expected)"
        )
        #expect(
            message(SettingsReader(environment: ["REJOINDER_HTTP_PORT": ""]))
                == "REJOINDER_HTTP_PORT is \"\", \(expected)"
        )
        #expect(
            message(SettingsReader(environment: [:], file: ("f.json", ["http.port": "70000"])))
                == "http.port in f.json is \"70000\", \(expected)"
        )
    }

    @Test("a secret is never shown")
    func secret() {
        let setting = Setting.text("secret", help: "", isSecret: true)
        let reader = SettingsReader(environment: ["REJOINDER_SECRET": ""])
        #expect(throws: SettingError.self) { try reader.required(setting) }
        let picky = Setting<String>("secret", help: "", expected: "something else", isSecret: true) { _ in nil }
        do throws(SettingError) {
            _ = try SettingsReader(environment: ["REJOINDER_SECRET": "hush"]).required(picky)
            Issue.record("it was taken")
        } catch {
            #expect(!error.description.contains("hush"))
        }
    }

    @Test(
        "a connection string that libpq can't read is named with its reason, and nothing of it is shown but a keyword",
        arguments: [
            ("postgres://u:hush@h/d?sslmod=require", #"invalid URI query parameter: "sslmod""#),
            ("host=h passwort=hush", #"invalid connection option "passwort""#),
            ("mysql://u:hush@h/d", #"missing "=" after "…" in connection info string"#),
            ("mysql://u:hush@h/d?a=b", #"invalid connection option "…""#),
            ("host=h password=a hush", #"missing "=" after "…" in connection info string"#),
            (#"host=h password=a hu"sh"#, #"missing "=" after "…" in connection info string"#),
            (
                "postgres://u:hush@[::1/d",
                #"end of string reached when looking for matching "]" in IPv6 host address in URI: "…""#
            ),
            (
                "postgres://u:hush@h@h/d",
                #"host is no host's name or address (a password's "@", ":" and "/" are %40, %3A and %2F in a URI)"#
            ),
            ("postgres://u:hush%zz@h/d", #"invalid percent-encoded token: "…""#),
            (
                "postgres://u:hush@h/d?sslmode=requir",
                "sslmode is none of disable, allow, prefer, require, verify-ca, verify-full"
            ),
            (
                "host=h password=hush target_session_attrs=rw",
                "target_session_attrs is none of any, read-write, read-only, primary, standby, prefer-standby"
            ),
            ("postgres://u:hush@h/d?connect_timeout=3s", "connect_timeout is no whole number"),
            (
                "postgres://u:hu/sh@h/d",
                #"port is no whole number from 1 to 65535 (a password's "@", ":" and "/" are %40, %3A and %2F in a URI)"#
            ),
            (
                "postgres://u:hush@a:5432,b:70000/d",
                #"port is no whole number from 1 to 65535 (a password's "@", ":" and "/" are %40, %3A and %2F in a URI)"#
            ),
        ]
    )
    func unreadable(_ url: String, _ reason: String) {
        for variable in ["DATABASE_URL", "REJOINDER_LISTEN_URL"] {
            let error = #expect(throws: SettingError.self) {
                try CommonSettings.connectionString(variable, in: [variable: url])
            }
            let expected = "expected one such as postgres://LOGIN:PASSWORD@HOST:5432/DATABASE"
            #expect(error?.description == "\(variable) can't be read: \(reason), \(expected)")
        }
    }

    @Test(
        "one of libpq's own variables that it can't use is named, where it rules",
        arguments: [
            ("PGSSLMODE", "requir", "PGSSLMODE is none of disable, allow, prefer, require, verify-ca, verify-full"),
            ("PGPORT", "5432,543z", "PGPORT is no whole number from 1 to 65535"),
        ]
    )
    func libraryVariables(_ name: String, _ value: String, _ complaint: String) throws {
        for url in ["", "postgres://u:hush@h/d"] {
            let error = #expect(throws: SettingError.self) {
                try CommonSettings.databaseURL(in: ["DATABASE_URL": url, name: value])
            }
            #expect(error?.description == complaint)
        }
        let ruling = "host=h port=5433 sslmode=require"
        #expect(try CommonSettings.databaseURL(in: ["DATABASE_URL": ruling, name: value]) == ruling)
        let open = ["DATABASE_URL": ruling, "REJOINDER_LISTEN_URL": "host=h", name: value]
        let error = #expect(throws: SettingError.self) { try CommonSettings.listenURL(in: open) }
        #expect(error?.description == complaint)
        #expect(try CommonSettings.listenURL(in: [name: value]) == nil)
    }

    @Test("libpq's own variables are taken that it can use, or that never rule")
    func usableVariables() throws {
        let environment = [
            "PGSSLMODE": "require", "PGPORT": "5432,5433", "PGHOST": "a,b", "PGUSER": "", "PGCONNECT_TIMEOUT": "soon",
        ]
        #expect(try CommonSettings.databaseURL(in: environment) == nil)
    }

    @Test("a connection string that libpq reads is taken as it is, and an empty one as none")
    func readable() throws {
        for url in [
            "postgres://u:p@a,b/d?sslmode=require", "host=a dbname=d", "d",
            "postgres://a:5432,b/d?target_session_attrs=any",
            "host=a,b port=5433, connect_timeout=' 5 ' keepalives=0",
        ] {
            #expect(try CommonSettings.databaseURL(in: ["DATABASE_URL": url]) == url)
        }
        #expect(try CommonSettings.listenURL(in: ["REJOINDER_LISTEN_URL": ""]) == nil)
        #expect(try CommonSettings.listenURL(in: [:]) == nil)
    }

    @Test("a variable with our prefix that no program reads is found, a secret's excepted")
    func unknownVariables() {
        let names = ["REJOINDER_SLOT", "REJOINDER_SLOTS", "REJOINDER_HTTP_PORT", "REJOINDER_ORDERS_SECRET", "SLOT"]
        let environment = Dictionary(uniqueKeysWithValues: names.map { ($0, "1") })
        #expect(CommonSettings.unknownVariables(in: environment) == ["REJOINDER_SLOT"])
    }

    @Test(
        "times and sizes are read with their units, and nothing else is",
        arguments: [
            ("29s", Duration.seconds(29)), ("2500ms", .milliseconds(2500)), ("2m", .seconds(120)), ("29", nil),
            ("s", nil), ("-1s", nil), ("1.5s", nil), ("29 s", nil), ("", nil),
        ] as [(String, Duration?)]
    )
    func durations(_ text: String, _ duration: Duration?) {
        #expect(Duration(setting: text) == duration)
    }

    @Test(
        "sizes",
        arguments: [
            ("1", 1), ("16KiB", 16384), ("1MiB", 1_048_576), ("9999999999GiB", nil), ("1KB", nil), ("-1", nil),
            ("KiB", nil), ("0", nil),
        ] as [(String, Int?)]
    )
    func sizes(_ text: String, _ bytes: Int?) {
        let setting = Setting.bytes("limit.body", help: "", in: 1...(1 << 30), default: 1)
        #expect(setting.parse(text) == bytes)
    }
}
