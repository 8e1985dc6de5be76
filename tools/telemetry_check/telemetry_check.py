"""Reads what a run wrote for TensorBoard and W&B with their own readers.

usage: telemetry_check.py RUN_DIRECTORY

Every scalar and statistic of metrics.jsonl must come back from TensorBoard's
EventAccumulator, to the last bit of FP32, which its format holds, and from wandb's
DataStore, to the last bit; every picture, page and figure must come back byte for byte,
and there must be as many histograms, tables, lines of the console and system
statistics. Prints what was compared, and the first differences.

    python3 -m venv /tmp/readers
    /tmp/readers/bin/pip install -r tools/telemetry_check/requirements.txt
    /tmp/readers/bin/python tools/telemetry_check/telemetry_check.py \
        runs/train/latest
"""

import collections
import glob
import hashlib
import json
import math
import os
import struct
import sys

from tensorboard.backend.event_processing import event_accumulator
from wandb.proto import wandb_internal_pb2
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry
from wandb.sdk.artifacts.artifact_manifests.artifact_manifest_v1 import (
    ArtifactManifestV1)
from wandb.sdk.internal import datastore
from wandb.sdk.lib.hashutil import md5_file_b64


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read_file(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


class Arm:
    """What metrics.jsonl, or a reader, says of an arm."""

    def __init__(self):
        self.scalars = {}  # By step and key.
        self.system = {}  # By step and key of TensorBoard.
        self.media = {}  # SHA-256 by step and key.
        self.figures = set()  # Keys of the media that plotly.js draws.
        self.artifacts = {}  # MD5 by name.
        self.counts = collections.Counter()  # Of what is only counted.


def read_jsonl(directory):
    """{arm: Arm}"""
    arms = collections.defaultdict(Arm)
    with open(os.path.join(directory, "metrics.jsonl")) as lines:
        for line in lines:
            record = json.loads(line)
            name = record.get("model", "")
            if not name:
                continue  # Of the whole run, which no reader has.
            arm = arms[name]
            kind = record["type"]
            step = record.get("step")
            if kind == "scalars":
                for key, value in record["values"].items():
                    arm.scalars[step, key] = float(value)
            elif kind == "layer_stats":
                # telemetry/sinks/layer_key.h
                of = (record["tensor"].replace("/", "_") +
                      ("_if_" + record["recipe"] if "recipe" in record else "") +
                      "/" + record["layer"].replace(".", "_"))
                for key, value in record["values"].items():
                    arm.scalars[step, f"{key}_{of}"] = float(value)
            elif kind in ("image", "html", "figure"):
                key = record["key"] + ("_page" if kind == "html" else "")
                arm.figures.update([key] if kind == "figure" else [])
                arm.media[step, key] = sha256(
                    read_file(directory, record["file"]))
            elif kind == "system":
                mebi = 2 ** 20
                arm.system.update({
                    (step, "system/cpu_percent"): record["cpu_percent"],
                    (step, "system/resident_mib"):
                        record["resident_bytes"] / mebi,
                    (step, "system/available_mib"):
                        record["available_bytes"] / mebi,
                    (step, "system/threads"): record["threads"]})
                for i, gpu in enumerate(record.get("gpus", [])):
                    values = {"busy_percent": float(gpu["busy_percent"]),
                              "memory_mib": gpu["memory_bytes"] / mebi,
                              "celsius": float(gpu["celsius"]),
                              "watts": float(gpu["watts"])}
                    arm.system.update({
                        (step, f"system/gpu_{i}_{key}"): value
                        for key, value in values.items() if value == value})
                arm.counts["system"] += 1
            elif kind == "histogram":
                arm.counts["histograms"] += 1
                arm.counts["not in W&B"] += (
                    record["tensor"] == "weights/dequantized" or
                    record["of"].endswith("_scales") or
                    record["tensor"].startswith("wgrad/") or
                    (record["tensor"] == "gradients" and
                     record["of"] == "codes"))
            elif kind == "artifact":
                arm.artifacts[record["name"]] = md5_file_b64(
                    os.path.join(directory, record["file"]))
            elif kind == "table":
                arm.counts["tables"] += 1
            elif kind == "text" and record["tag"] == "console":
                arm.counts["console"] += 1
    return arms


def read_tensorboard(directory, name):
    reader = event_accumulator.EventAccumulator(
        os.path.join(directory, "tensorboard", name),
        size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    reader.Reload()
    arm = Arm()
    for tag in reader.Tags()["scalars"]:
        for event in reader.Scalars(tag):
            arm.scalars[event.step, tag] = event.value
    for tag in reader.Tags()["tensors"]:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        for event in reader.Tensors(tag):
            tensor = event.tensor_proto
            if plugin == "scalars":
                arm.scalars[event.step, tag] = tensor.float_val[0]
            elif plugin == "histograms":
                arm.counts["histograms"] += 1
            elif plugin == "images":
                width, height, png = tensor.string_val
                size = struct.unpack(">II", png[16:24])
                assert size == (int(width), int(height)), tag
                arm.media[event.step, tag] = sha256(png)
            elif plugin == "text" and tag != "config":
                arm.counts["tables"] += 1
    arm.system = {key: value for key, value in arm.scalars.items()
                  if key[1].startswith("system/")}
    for key in arm.system:
        del arm.scalars[key]
    return arm


def add_artifact(record, arm):
    """The digests are those that W&B's library has of the same file."""
    manifest = ArtifactManifestV1()
    for entry in record.manifest.contents:
        assert entry.size == os.path.getsize(entry.local_path), entry
        assert entry.digest == md5_file_b64(entry.local_path), entry
        manifest.add_entry(ArtifactManifestEntry(
            path=entry.path, digest=entry.digest, size=entry.size))
    assert record.digest == manifest.digest(), record.name
    arm.artifacts[record.name.rpartition("-")[0]] = entry.digest


def read_wandb(directory, name):
    for path in glob.glob(os.path.join(directory, "wandb", "*", "*.wandb")):
        store = datastore.DataStore()
        store.open_for_scan(path)
        arm, found, exits, files = Arm(), None, 0, set()
        while True:
            data = store.scan_data()
            if data is None:
                break
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                found = record.run.display_name
            elif kind == "exit":
                exits += 1
            elif kind == "files":
                files.update(file.path for file in record.files.files)
            elif kind == "output_raw":
                arm.counts["console"] += 1
            elif kind == "stats":
                arm.counts["system"] += 1
            elif kind == "artifact":
                add_artifact(record.artifact, arm)
            elif kind == "history":
                items = {}
                for item in record.history.item:
                    key, *field = item.nested_key
                    value = json.loads(item.value_json)
                    if field:
                        items.setdefault(key, {})[field[0]] = value
                    else:
                        items[key] = value
                step = items["_step"]
                for key, value in items.items():
                    if not isinstance(value, dict):
                        if not key.startswith("_"):
                            arm.scalars[step, key] = float(value)
                        continue
                    if value["_type"] == "histogram":
                        arm.counts["histograms"] += 1
                        continue
                    data = read_file(os.path.dirname(path), "files",
                                     value["path"])
                    assert value["path"] in files, value["path"]
                    assert value["sha256"] == sha256(data), value["path"]
                    assert value["size"] == len(data), value["path"]
                    if value["_type"] == "table-file":
                        table = json.loads(data)
                        assert len(table["columns"]) == value["ncols"]
                        assert len(table["data"]) == value["nrows"]
                        arm.counts["tables"] += 1
                    else:
                        if value["_type"] == "plotly-file":
                            assert set(json.loads(data)) == {"data", "layout"}
                        arm.media[step, key] = value["sha256"]
        if found == name:
            assert exits == 1, f"{path}: {exits} exit records"
            return arm
    raise SystemExit(f"no W&B run of arm {name}")


def float32(value):
    if not math.isfinite(value):
        return value
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def same(a, b):
    return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


def compare(what, expected, found):
    """A word on it, and the differences."""
    wrong = [key for key, value in expected.items()
             if key not in found or not same(value, found[key])]
    extra = [key for key in found if key not in expected]
    differences = [f"{key}: expected {expected[key]}, found {found.get(key)}"
                   for key in wrong]
    differences += [f"not in metrics.jsonl: {key}" for key in extra]
    return f"{len(expected) - len(wrong)} of {len(expected)} {what}", differences


def check(reader, name, expected, found, counted):
    words, differences = [], []
    for what in ("scalars", "media", "system", "artifacts"):
        if what == "system" and reader == "W&B":
            continue  # It has other names and units; they are counted.
        if what == "artifacts" and not (expected.artifacts or found.artifacts):
            continue
        word, wrong = compare(
            {"scalars": "numbers", "media": "pictures, pages and figures",
             "system": "system numbers", "artifacts": "artifacts"}[what],
            getattr(expected, what), getattr(found, what))
        words.append(word)
        differences += wrong
    for what in counted:
        words.append(f"{found.counts[what]} of {expected.counts[what]} {what}")
        if found.counts[what] != expected.counts[what]:
            differences.append(f"{what}: another number of them")
    print(f"{reader:11} {name}: {', '.join(words)}")
    for difference in differences[:5]:
        print(f"  {difference}")
    return not differences


def for_wandb(arm):
    """Without what telemetry/sinks/wandb_row.h leaves out."""
    kept = Arm()
    moments = ("mean_", "std_", "kurtosis_", "amax_")

    def goes(key):
        name = key.split("/")[0]
        if "_if_" in name:
            return True
        if (name.endswith("_weights_dequantized") or
                name.startswith(("p25_", "p75_", "scale_std_"))):
            return False
        if "_wgrad_" in name:
            return name.startswith(("sqnr_db_", "underflow_pct_"))
        if name.endswith("_weights_quantized"):
            return not name.startswith(moments)
        if name.endswith("_gradients") and "_output_" not in name:
            return name.startswith(moments + ("norm_", "nonfinite_"))
        return True

    kept.scalars = {key: value for key, value in arm.scalars.items()
                    if goes(key[1])}
    kept.media = arm.media
    kept.artifacts = arm.artifacts
    kept.counts = arm.counts
    kept.counts["histograms"] -= kept.counts["not in W&B"]
    return kept


def for_tensorboard(arm):
    """TensorBoard holds FP32, and no pages or figures."""
    rounded = Arm()
    rounded.scalars = {k: float32(v) for k, v in arm.scalars.items()}
    rounded.system = {k: float32(v) for k, v in arm.system.items()}
    rounded.media = {k: v for k, v in arm.media.items()
                     if not k[1].endswith("_page") and k[1] not in arm.figures}
    rounded.counts = arm.counts
    return rounded


def main():
    directory = sys.argv[1]
    arms = read_jsonl(directory)
    good = bool(arms)
    for name, arm in arms.items():
        good &= check("TensorBoard", name, for_tensorboard(arm),
                      read_tensorboard(directory, name),
                      ("histograms", "tables"))
        good &= check("W&B", name, for_wandb(arm), read_wandb(directory, name),
                      ("histograms", "tables", "console", "system"))
    print("all equal" if good else "DIFFERENT")
    sys.exit(0 if good else 1)


main()
