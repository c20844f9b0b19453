import CoreMetrics
import PrometheusMetrics
import RejoinderMetrics
import Testing

@Suite("the Prometheus text")
struct ExpositionTests {
    /// The lines of the metrics under test, without the process's own figures.
    private func lines(_ metrics: PrometheusMetrics) -> [String] {
        metrics.text().split(separator: "\n").map(String.init).filter { !$0.contains("process_") }
    }

    @Test("a metric of the table has its help and type once, and a line per series, in order")
    func table() {
        let metrics = PrometheusMetrics()
        for node in ["b", "a"] {
            metrics.makeCounter(label: "rejoinder_retries_total", dimensions: [("node", node)]).increment(by: 2)
        }
        metrics.makeMeter(label: "rejoinder_slots", dimensions: []).set(Int64(64))
        #expect(
            self.lines(metrics) == [
                "# HELP rejoinder_retries_total \(Metric.retries.help)",
                "# TYPE rejoinder_retries_total counter",
                #"rejoinder_retries_total{node="a"} 2"#,
                #"rejoinder_retries_total{node="b"} 2"#,
                "# HELP rejoinder_slots \(Metric.slots.help)",
                "# TYPE rejoinder_slots gauge",
                "rejoinder_slots 64",
            ]
        )
    }

    @Test(
        "labels are escaped, and names put right",
        arguments: [
            ("a_total", [("node", #"a"b\c"# + "\nd")], #"a_total{node="a\"b\\c\nd"} 1"#),
            ("a.b-c", [("x.y", "1")], #"a_b_c{x_y="1"} 1"#),
            ("9lives", [("le", "1"), ("__name", "2")], #"_9lives{label___name="2",label_le="1"} 1"#),
            ("a:b", [("a:b", "😀é")], #"a:b{a_b="😀é"} 1"#),
            ("a", [("empty", ""), ("twice", "1"), ("twice", "2")], #"a{twice="1"} 1"#),
        ] as [(String, [(String, String)], String)]
    )
    func escaping(_ name: String, _ dimensions: [(String, String)], _ line: String) {
        let metrics = PrometheusMetrics()
        metrics.makeCounter(label: name, dimensions: dimensions).increment(by: 1)
        #expect(self.lines(metrics).last == line)
    }

    @Test("a histogram counts each value in all buckets that hold it, and adds them up; times are in seconds")
    func histogram() {
        let metrics = PrometheusMetrics()
        let batches = metrics.makeRecorder(
            label: Metric.batchEvents.name,
            dimensions: [("statement", "claim")],
            aggregate: true
        )
        for count in [1, 2, 3, 500, 501] { batches.record(Int64(count)) }
        let lines = self.lines(metrics)
        for expected in [
            #"rejoinder_batch_events_bucket{statement="claim",le="1"} 1"#,
            #"rejoinder_batch_events_bucket{statement="claim",le="2"} 2"#,
            #"rejoinder_batch_events_bucket{statement="claim",le="5"} 3"#,
            #"rejoinder_batch_events_bucket{statement="claim",le="200"} 3"#,
            #"rejoinder_batch_events_bucket{statement="claim",le="500"} 4"#,
            #"rejoinder_batch_events_bucket{statement="claim",le="+Inf"} 5"#,
            #"rejoinder_batch_events_sum{statement="claim"} 1007"#,
            #"rejoinder_batch_events_count{statement="claim"} 5"#,
        ] { #expect(lines.contains(expected), "\(expected)") }

        let timer = metrics.makeTimer(label: Metric.callDuration.name, dimensions: [("node", "n")])
        timer.recordNanoseconds(1_500_000)
        timer.recordNanoseconds(31_000_000_000)
        let times = self.lines(metrics)
        for expected in [
            #"rejoinder_call_duration_seconds_bucket{node="n",le="0.001"} 0"#,
            #"rejoinder_call_duration_seconds_bucket{node="n",le="0.0025"} 1"#,
            #"rejoinder_call_duration_seconds_bucket{node="n",le="30"} 1"#,
            #"rejoinder_call_duration_seconds_bucket{node="n",le="+Inf"} 2"#,
            #"rejoinder_call_duration_seconds_sum{node="n"} 31.0015"#,
        ] { #expect(times.contains(expected), "\(expected)") }
    }

    @Test("the same labels are the same series, in any order; a name has one kind")
    func identity() {
        let metrics = PrometheusMetrics()
        metrics.makeCounter(label: "c", dimensions: [("a", "1"), ("b", "2")]).increment(by: 1)
        metrics.makeFloatingPointCounter(label: "c", dimensions: [("b", "2"), ("a", "1")]).increment(by: 0.5)
        metrics.makeMeter(label: "c", dimensions: []).set(7.0)
        #expect(self.lines(metrics) == ["# TYPE c counter", #"c{a="1",b="2"} 1.5"#])
    }

    @Test("what is destroyed is gone, and a metric without a series has no lines")
    func destruction() {
        let metrics = PrometheusMetrics()
        let gauge = metrics.makeMeter(label: "g", dimensions: [("node", "a")])
        gauge.set(Int64(1))
        let other = metrics.makeMeter(label: "g", dimensions: [("node", "b")])
        other.increment(by: 2.5)
        other.decrement(by: 1)
        metrics.destroyMeter(gauge)
        #expect(self.lines(metrics) == ["# TYPE g gauge", #"g{node="b"} 1.5"#])
        metrics.destroyMeter(other)
        #expect(self.lines(metrics).isEmpty)
    }

    @Test("numbers are written as Prometheus reads them")
    func numbers() {
        let metrics = PrometheusMetrics()
        let gauge = metrics.makeMeter(label: "g", dimensions: [])
        for (value, text) in [
            (0, "0"), (-3, "-3"), (0.1, "0.1"), (1e-7, "1e-07"), (1e300, "1e+300"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"),
        ] as [(Double, String)] {
            gauge.set(value)
            #expect(self.lines(metrics).last == "g \(text)")
        }
    }

    @Test("the process's own figures are there")
    func process() throws {
        let text = PrometheusMetrics().text()
        for name in [
            "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total",
            "process_open_fds",
        ] {
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + " ") })
            #expect(try #require(Double(line.dropFirst(name.count + 1))) > 0)
        }
    }

    @Test("a metric with the name of one of the process's own figures is left out")
    func takenName() {
        let metrics = PrometheusMetrics()
        metrics.makeCounter(label: "process_cpu_seconds_total", dimensions: [("of", "me")]).increment(by: 1)
        metrics.makeMeter(label: "process.open.fds", dimensions: []).set(Int64(-1))
        metrics.makeMeter(label: "process_mine", dimensions: []).set(Int64(1))
        let text = metrics.text()
        for name in ["process_cpu_seconds_total", "process_open_fds"] {
            #expect(text.ranges(of: "# TYPE \(name) ").count == 1)
        }
        #expect(!text.contains(#"{of="me"}"#) && !text.contains("process_open_fds -1"))
        #expect(text.contains("\nprocess_mine 1\n"))
    }

    @Test("increments from many threads are all counted")
    func threads() async {
        let metrics = PrometheusMetrics()
        let counter = metrics.makeCounter(label: "c", dimensions: [])
        let gauge = metrics.makeMeter(label: "g", dimensions: [])
        let histogram = metrics.makeTimer(label: "h", dimensions: [])
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        counter.increment(by: 1)
                        gauge.increment(by: 0.5)
                        histogram.recordNanoseconds(1_000_000_000)
                    }
                }
            }
        }
        let lines = self.lines(metrics)
        for expected in ["c 8000", "g 4000", "h_count 8000", "h_sum 8000"] { #expect(lines.contains(expected)) }
    }
}

@Suite("the table of metrics and its labels")
struct MetricTableTests {
    @Test("names are unique, counters end in _total, and histograms have ascending buckets")
    func table() {
        #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        for metric in Metric.all {
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.buckets.isEmpty == (metric.kind != .histogram), "\(metric.name)")
            #expect(metric.buckets == metric.buckets.sorted())
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
        }
    }

    @Test("the first nodes keep their names, the others share one")
    func folding() {
        let labels = NodeLabels(most: 2)
        #expect(["a", "b", "c", "a", "d", "b"].map(labels.label(of:)) == ["a", "b", "other", "a", "other", "b"])
        let series = NodeSeries(NodeLabels(most: 2)) { $0 }
        #expect(["a", "b", "c", "a", "d", "b"].map { series[$0] } == ["a", "b", "other", "a", "other", "b"])
    }
}
