"""Reads what a run wrote for TensorBoard and W&B with their own readers.

usage: telemetry_check.py RUN_DIRECTORY

Every scalar and statistic of metrics.jsonl must come back from TensorBoard's
EventAccumulator, to the last bit of FP32, which its format holds, and from wandb's
DataStore, to the last bit; and there must be as many histograms. Prints what was
compared, and the first differences.

    python3 -m venv /tmp/readers
    /tmp/readers/bin/pip install -r tools/telemetry_check/requirements.txt
    /tmp/readers/bin/python tools/telemetry_check/telemetry_check.py \
        runs/train/latest
"""

import collections
import glob
import json
import math
import os
import struct
import sys

from tensorboard.backend.event_processing import event_accumulator
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal import datastore


def read_jsonl(directory):
    """{arm: {(step, key): value}} and {arm: number of histograms}."""
    scalars = collections.defaultdict(dict)
    histograms = collections.Counter()
    with open(os.path.join(directory, "metrics.jsonl")) as lines:
        for line in lines:
            record = json.loads(line)
            arm = record.get("model", "")
            kind = record.get("type")
            if kind == "scalars":
                for key, value in record["values"].items():
                    scalars[arm][record["step"], key] = float(value)
            elif kind == "layer_stats":
                # telemetry/sinks/layer_key.h
                of = (record["tensor"].replace("/", "_") + "/" +
                      record["layer"].replace(".", "_"))
                for key, value in record["values"].items():
                    name = f"{key}_{of}"
                    scalars[arm][record["step"], name] = float(value)
            elif kind == "histogram":
                histograms[arm] += 1
    return scalars, histograms


def read_tensorboard(directory, arm):
    reader = event_accumulator.EventAccumulator(
        os.path.join(directory, "tensorboard", arm),
        size_guidance={"scalars": 0, "histograms": 0})
    reader.Reload()
    tags = reader.Tags()
    scalars = {}
    for tag in tags["scalars"]:
        for event in reader.Scalars(tag):
            scalars[event.step, tag] = event.value
    histograms = sum(len(reader.Histograms(t)) for t in tags["histograms"])
    for tag in tags["tensors"]:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        for event in reader.Tensors(tag):
            if plugin == "scalars":
                scalars[event.step, tag] = event.tensor_proto.float_val[0]
            elif plugin == "histograms":
                histograms += 1
    return scalars, histograms


def read_wandb(directory, arm):
    for path in glob.glob(os.path.join(directory, "wandb", "*", "*.wandb")):
        store = datastore.DataStore()
        store.open_for_scan(path)
        name = None
        scalars, histograms, exits = {}, 0, 0
        while True:
            data = store.scan_data()
            if data is None:
                break
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                name = record.run.display_name
            elif kind == "exit":
                exits += 1
            elif kind == "history":
                items = {(item.key or "/".join(item.nested_key)):
                         json.loads(item.value_json)
                         for item in record.history.item}
                for key, value in items.items():
                    if isinstance(value, dict):
                        histograms += 1
                    elif not key.startswith("_"):
                        scalars[items["_step"], key] = float(value)
        if name == arm:
            assert exits == 1, f"{path}: {exits} exit records"
            return scalars, histograms
    raise SystemExit(f"no W&B run of arm {arm}")


def float32(value):
    if not math.isfinite(value):
        return value
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def compare(reader, arm, expected, expected_histograms, found, histograms,
            rounded):
    wrong = [key for key, value in expected.items()
             if key not in found or not same(rounded(value), found[key])]
    extra = [key for key in found if key not in expected]
    print(f"{reader:12} {arm:12} {len(expected) - len(wrong)} of "
          f"{len(expected)} numbers, {histograms} of {expected_histograms} "
          f"histograms, {len(extra)} others")
    for key in wrong[:5]:
        print(f"  {key}: expected {expected[key]}, found {found.get(key)}")
    for key in extra[:5]:
        print(f"  not in metrics.jsonl: {key}")
    return not wrong and not extra and histograms == expected_histograms


def main():
    directory = sys.argv[1]
    scalars, histograms = read_jsonl(directory)
    good = bool(scalars)
    for arm, expected in scalars.items():
        good &= compare("TensorBoard", arm, expected, histograms[arm],
                        *read_tensorboard(directory, arm), float32)
        good &= compare("W&B", arm, expected, histograms[arm],
                        *read_wandb(directory, arm), lambda value: value)
    print("all equal" if good else "DIFFERENT")
    sys.exit(0 if good else 1)


main()
