"""Statistics, parsing, and one report from a benchmark with known results."""

import json
import math
import pathlib
import random
import sys
import tempfile
import unittest

import benchmark_report
import environment
import measure
import render
import statistics_of_runs as stats

FAKE = "tools/benchmark_report/fake_benchmark"
BUILD_INFO = "tools/benchmark_report/build_info"


class StatisticsTest(unittest.TestCase):
    def test_summary_is_not_moved_by_one_outlier(self):
        summary = stats.summarize([1.0, 1.1, 0.9, 1.0, 50.0])
        self.assertEqual(summary.median, 1.0)
        self.assertAlmostEqual(summary.spread, 0.1)
        self.assertEqual((summary.low, summary.high), (0.9, 50.0))
        with self.assertRaises(ValueError):
            stats.summarize([])

    def test_a_clear_difference_is_seen_in_both_directions(self):
        old = [1.00, 1.01, 0.99, 1.00, 1.02, 0.98, 1.00]
        new = [1.2 * x for x in old]
        slower = stats.compare(old, new)
        self.assertEqual(slower.verdict, "slower")
        self.assertAlmostEqual(slower.ratio, 1.2)
        self.assertLess(slower.low, 1.2)
        self.assertGreater(slower.high, 1.2)
        self.assertEqual(stats.compare(new, old).verdict, "faster")

    def test_noise_is_not_a_difference(self):
        generator = random.Random(5)
        wrong = 0
        for trial in range(60):
            old = [generator.lognormvariate(0, 0.05) for _ in range(7)]
            new = [generator.lognormvariate(0, 0.05) for _ in range(7)]
            verdict = stats.compare(old, new, seed=trial).verdict
            wrong += verdict != "no difference that the noise allows"
        # 1 % is what the interval promises for many repetitions; seven are few.
        self.assertLessEqual(wrong, 4)

    def test_few_repetitions_decide_nothing(self):
        comparison = stats.compare([1.0] * 3, [9.0] * 3)
        self.assertEqual(comparison.verdict, "too few repetitions")
        self.assertFalse(stats.is_regression(comparison, 0.05))
        self.assertEqual(comparison.high, math.inf)

    def test_interval_is_reproducible_and_narrows(self):
        old = [1.0, 1.1, 0.9, 1.05, 0.95]
        self.assertEqual(
            stats.ratio_interval(old, old, 0.9, 3),
            stats.ratio_interval(old, old, 0.9, 3),
        )
        wide = stats.ratio_interval(old, old, 0.99, 3)
        narrow = stats.ratio_interval(old, old, 0.5, 3)
        self.assertLess(narrow[1] - narrow[0], wide[1] - wide[0])

    def test_regression_needs_noise_and_threshold_exceeded(self):
        old = [1.0, 1.001, 0.999, 1.0, 1.0]
        slightly = stats.compare(old, [1.03 * x for x in old])
        self.assertEqual(slightly.verdict, "slower")
        self.assertFalse(stats.is_regression(slightly, 0.05))
        self.assertTrue(stats.is_regression(slightly, 0.02))

    def test_times_are_positive(self):
        with self.assertRaises(ValueError):
            stats.compare([0.0] * 5, [1.0] * 5)


class MeasureTest(unittest.TestCase):
    def test_limit_has_the_same_arguments(self):
        names = ["BM_X/nvfp4/64/2", "BM_Memcpy/64/2", "BM_Memcpy/2", "BM_Y"]
        for name in ("BM_X/nvfp4/64/2", "BM_X/64/2"):
            self.assertEqual(measure.limit_name(name, names), "BM_Memcpy/64/2")
        self.assertIsNone(measure.limit_name("BM_X/nvfp4/65/3", names))
        self.assertIsNone(measure.limit_name("BM_Y", names))
        self.assertIsNone(measure.limit_name("BM_Memcpy/2", names))

    def test_filter_is_exact(self):
        self.assertEqual(measure.exact_filter(["a", "b"]), "^(a|b)$")
        self.assertEqual(measure.exact_filter(["a<b(.)>/1"]), r"^(a<b\(\.\)>/1)$")

    def test_parse(self):
        text = json.dumps(
            {
                "benchmarks": [
                    {
                        "name": "a/1",
                        "run_type": "iteration",
                        "real_time": 2.0,
                        "cpu_time": 1.0,
                        "time_unit": "us",
                        "iterations": 5,
                        "bytes_per_second": 3.0,
                    },
                    {"name": "a/1_mean", "run_type": "aggregate"},
                    {
                        "name": "b",
                        "error_occurred": True,
                        "error_message": "no GPU",
                    },
                ]
            }
        )
        runs = measure.parse_run(text)
        self.assertAlmostEqual(runs["a/1"]["seconds"], 2e-6)
        self.assertEqual(runs["a/1"]["counters"], {"bytes_per_second": 3.0})
        self.assertEqual(runs["b"], {"error": "no GPU"})
        self.assertEqual(len(runs), 2)

    def test_a_binary_that_fails_is_named(self):
        with self.assertRaisesRegex(measure.MeasureError, "/bin/false"):
            measure.list_benchmarks("/bin/false", "")
        with self.assertRaisesRegex(measure.MeasureError, "/no/such"):
            measure.list_benchmarks("/no/such", "")


class EnvironmentTest(unittest.TestCase):
    def test_cpu_name_tells_machines_of_one_name_apart(self):
        self.assertEqual(
            environment.cpu_name(
                "cpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
                "flags\t\t: fpu avx avx2\n\nmodel\t\t: 7\nmodel name\t: X\n"
            ),
            "AMD EPYC (family 25, model 1, AVX2)",
        )

    def test_cpu_name_leaves_out_what_is_not_said(self):
        self.assertEqual(environment.cpu_name("a : b\nmodel name\t: X: 3\n"), "X: 3")
        self.assertEqual(environment.cpu_name("model\t: 1\n"), "unknown")
        self.assertEqual(environment.cpu_name(""), "unknown")

    def test_flags_are_those_of_the_build(self):
        info = environment.build_flags(BUILD_INFO)
        if info["compiler"] == "unknown":
            self.skipTest("readelf or GCC is missing")
        self.assertIn("GNU C++17", info["compiler"])
        self.assertIn("-ffp-contract=off", info["flags"])
        self.assertRegex(info["flags"], r"-O\d")


class ReportTest(unittest.TestCase):
    def setUp(self):
        self._directory = tempfile.TemporaryDirectory()
        self.addCleanup(self._directory.cleanup)
        self.path = pathlib.Path(self._directory.name)

    def _run(self, *arguments: str) -> int:
        return benchmark_report.main(
            [
                f"--build_info={BUILD_INFO}",
                FAKE,
                "--min_time=0.001",
                "--repetitions=5",
                *arguments,
            ]
        )

    def _read(self, name: str) -> dict:
        return json.loads((self.path / name / "report.json").read_text())

    def test_a_whole_report(self):
        self.assertEqual(self._run(f"--output_dir={self.path}/a"), 0)
        report = self._read("a")
        rows = {row["name"]: row for row in report["benchmarks"]}
        self.assertEqual(rows["BM_Fails"]["error"], "on purpose")
        slow = rows["BM_TenTimes/1048576"]
        self.assertEqual(slow["limit"], "BM_Memcpy/1048576")
        self.assertEqual(len(slow["seconds"]), 5)
        self.assertGreater(slow["fraction_of_limit"]["median"], 0.03)
        self.assertLess(slow["fraction_of_limit"]["median"], 0.3)
        self.assertEqual(len(report["load_averages"]), 6)
        for key in ("cpu", "governor", "gpu", "git_revision", "flags", "versions"):
            self.assertIn(key, report["environment"])
        self.assertEqual(
            report["command"],
            "bazel run //tools:benchmark_report -- --min_time=0.001 "
            f"--repetitions=5 --output_dir={self.path}/a",
        )
        text = (self.path / "a" / "report.md").read_text()
        self.assertIn("| BM_TenTimes/1048576 |", text)
        page = (self.path / "a" / "report.html").read_text()
        self.assertIn("BM_TenTimes/1048576", page)
        self.assertNotIn("http", page)

    def test_filter_brings_the_limit_along(self):
        self.assertEqual(
            self._run(f"--output_dir={self.path}/a", "--filter=TenTimes"), 0
        )
        names = [row["name"] for row in self._read("a")["benchmarks"]]
        self.assertEqual(names, ["BM_Memcpy/1048576", "BM_TenTimes/1048576"])
        self.assertEqual(
            self._run(f"--output_dir={self.path}/b", "--filter=nothing"), 1
        )
        self.assertFalse((self.path / "b").exists())

    def test_a_regression_is_exit_status_1(self):
        self._run(f"--output_dir={self.path}/a", "--filter=Memcpy")
        old = self._read("a")
        for row in old["benchmarks"]:
            row["seconds"] = [s / 100 for s in row["seconds"]]
        fast = self.path / "fast.json"
        fast.write_text(json.dumps(old))
        common = (f"--output_dir={self.path}/b", "--filter=Memcpy")
        self.assertEqual(self._run(*common, f"--baseline={fast}"), 1)
        comparison = self._read("b")["benchmarks"][0]["comparison"]
        self.assertEqual(comparison["verdict"], "slower")
        self.assertIn("slower", (self.path / "b" / "report.html").read_text())
        self.assertEqual(
            self._run(*common, f"--baseline={fast}", "--threshold=1e6"), 0
        )

    def test_a_bad_baseline_is_named_before_the_work(self):
        bad = self.path / "bad.json"
        bad.write_text("{}")
        for path in (bad, self.path / "missing"):
            self.assertEqual(
                self._run(f"--output_dir={self.path}/a", f"--baseline={path}"), 1
            )
        self.assertFalse((self.path / "a").exists())

    def test_bad_arguments_are_exit_status_2(self):
        for arguments in (
            [],
            ["--output_dir=x", "--filter=("],
            ["--output_dir=x", "--repetitions=0"],
            ["--output_dir=x", "--confidence=1"],
        ):
            with self.assertRaises(SystemExit) as caught:
                self._run(*arguments)
            self.assertEqual(caught.exception.code, 2)


class RenderTest(unittest.TestCase):
    def test_a_busy_machine_is_said(self):
        report = {
            "load_averages": [[0.5], [4.0]],
            "environment": {"cpus": 2},
        }
        self.assertIn("load of 4.0 on 2", render._warning(report))
        report["environment"]["cpus"] = 8
        self.assertEqual(render._warning(report), "")

    def test_times(self):
        self.assertEqual(render.time_text(1.5), "1.5 s")
        self.assertEqual(render.time_text(2e-3), "2 ms")
        self.assertEqual(render.time_text(3.25e-7), "325 ns")
        self.assertEqual(render.time_text(5e-10), "0.5 ns")

    def test_rates_have_prefixes(self):
        self.assertEqual(render._rate_text([2.5e9], "B"), "2.5 GB/s")
        self.assertEqual(render._rate_text([30.0, 31.0, 29.0], "item"), "30 item/s")
        self.assertEqual(render._rate_text([], "B"), "")


if __name__ == "__main__":
    sys.exit(unittest.main())
