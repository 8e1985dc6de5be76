"""Random small data sets and random flags: whatever a training is given, it ends
with a status of its own, says an error in few lines, leaves no run directory
when it refuses, and writes valid JSON.

usage: random_runs.py TRAIN [--runs=N] [--seed=N] [--only=N]

--only repeats one run of a seed and keeps its files. Faults are put into files
and flags at random, so most runs end in an error and some train.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

# A run takes a few seconds; the machine may be busy.
TIMEOUT = 120
# Of address space. No input may need more: what does is refused or fails.
MEMORY = 12 << 30
STOPS = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}
LINES_OF_AN_ERROR = 3

HUGE = ["-1", "0", "1.5", "", "x", "nan", "inf", "1e300", "1e309", "4294967296",
        "9223372036854775807", "9223372036854775808"]


# Files.

def chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body +
            struct.pack(">I", zlib.crc32(kind + body)))


def png(rng, width, height, rows, channels=1, exif=None):
    """PNG bytes of rows of samples."""
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0,
                       0)
    extra = b""
    if exif is not None:
        extra = chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" +
                      struct.pack(">H", exif) + b"\0\0\0\0\0\0")
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def damage(rng, data):
    """A file as a bad disk, a wrong program or a person might leave it."""
    kind = rng.randrange(6)
    if kind == 0:
        return data[:rng.randrange(len(data) + 1)]
    if kind == 1:
        return b""
    if kind == 2:
        return b"no such thing\n"
    if kind == 3:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(changed))
        if kind == 4:
            changed[at] = rng.randrange(256)
        else:
            del changed[at:at + rng.randrange(1, 9)]
            changed = changed or bytearray(b"x")
    return bytes(changed)


class Writer:
    """Writes files below a root, some of them damaged."""

    def __init__(self, rng, root, faults):
        self.rng, self.root, self.faults = rng, root, faults

    def write(self, name, data):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.faults and self.rng.random() < 0.04:
            kind = self.rng.randrange(3)
            if kind == 0:
                return
            if kind == 1:
                path.symlink_to("/nonexistent")
                return
            data = damage(self.rng, data)
        path.write_bytes(data)


def image(rng, width, height):
    channels = rng.choice([1, 3])
    rows = [[rng.randrange(256) for _ in range(width * channels)]
            for _ in range(height)]
    exif = rng.choice([3, 6]) if rng.random() < 0.03 else None
    return png(rng, width, height, rows, channels, exif)


def mask(rng, width, height, values):
    rows = [[rng.choice(values) for _ in range(width)] for _ in range(height)]
    return png(rng, width, height, rows)


def side(rng):
    return rng.choice([1, 2, 15, 16, 17, 24, 33, 40])


def folder(rng, root, faults):
    writer = Writer(rng, root, faults)
    values = rng.choice([[0, 255], [0, 1], [0, 1, 2], [0, 1, 255]])
    lists = rng.random() < 0.2
    for split in ("train", "val"):
        lines = []
        for i in range(rng.randrange(1, 5)):
            width, height = side(rng), side(rng)
            of_mask = values
            if faults and rng.random() < 0.1:
                of_mask = rng.choice([[255], [0], [0, 254], [7], range(200)])
            name = f"{split}{i}.png"
            writer.write(f"{split}/images/{name}", image(rng, width, height))
            if faults and rng.random() < 0.03:
                width += 1
            writer.write(f"{split}/masks/{name}",
                         mask(rng, width, height, of_mask))
            lines.append(f"{split}/images/{name} {split}/masks/{name}\n")
        if lists:
            writer.write(f"{split}.txt", "".join(lines).encode())
    return ["--dataset=folder", f"--data_root={root}"]


def mvtec(rng, root, faults):
    writer = Writer(rng, root, faults)
    for part in ("train/good", "test/good", "test/crack", "test/dent"):
        for i in range(rng.randrange(2, 4)):
            width, height = side(rng), side(rng)
            writer.write(f"screw/{part}/{i}.png", image(rng, width, height))
            if part not in ("train/good", "test/good"):
                writer.write(f"screw/ground_truth/{part[5:]}/{i}_mask.png",
                             mask(rng, width, height, [0, 255]))
    flags = ["--dataset=mvtec", f"--data_root={root}"]
    if rng.random() < 0.5:
        flags.append("--mvtec_labels=per_defect")
    if rng.random() < 0.3:
        flags.append("--mvtec_subset=" + rng.choice(["all", "train", "x"]))
    return flags


def change_json(rng, value):
    """Replaces, doubles or removes something, somewhere."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = rng.choice(list(keys))
        if rng.random() < 0.15:
            if isinstance(value, list):
                value.append(value[key])
            else:
                del value[key]
        else:
            value[key] = change_json(rng, value[key])
        return value
    deep = []
    for _ in range(rng.choice([1, 70])):
        deep = [deep]
    return rng.choice([None, True, -1, 0, 3, 1.5, 1e300, 2**63, "", "x", [], {},
                       deep, [[0, 0, 1e6, 0, 0, 1e6]]])


def coco(rng, root, faults):
    writer = Writer(rng, root, faults)
    for split in ("train2017", "val2017"):
        images, annotations = [], []
        for i in range(rng.randrange(1, 4)):
            width, height = side(rng), side(rng)
            images.append({"id": i, "file_name": f"{i}.png", "width": width,
                           "height": height})
            writer.write(f"{split}/{i}.png", image(rng, width, height))
            for _ in range(rng.randrange(3)):
                points = [rng.uniform(-2, 40) for _ in range(6)]
                annotations.append({
                    "id": len(annotations), "image_id": i,
                    "category_id": rng.choice([3, 7]), "iscrowd": 0,
                    "segmentation": [[0, 0, width, 0] + points]})
        data = {"images": images, "annotations": annotations,
                "categories": [{"id": 3, "name": "cat"},
                               {"id": 7, "name": "dog"}]}
        if faults and rng.random() < 0.4:
            data = change_json(rng, data)
        writer.write(f"annotations/instances_{split}.json",
                     json.dumps(data).encode())
    return ["--dataset=coco", f"--data_root={root}"]


def embedded(rng, root, faults):
    if rng.random() < 0.2:
        return ["--dataset=nuclei"]
    return ["--dataset=synthetic", "--synthetic_count=4",
            "--synthetic_size=" + rng.choice(["16", "48"])]


# Flags.

# What is accepted is small, so that a run ends soon.
FLAGS = {
    "models": ["fp32", "fp16,nvfp4", "mxfp4_sr", "nvfp4:*.up=fp32",
               "nvfp4:last=bf16", "", "fp3", "fp16,fp16", "fp16,", "fp16:",
               "nvfp4:nowhere=fp32", "nvfp4:*=x", "\udcff"],
    "steps": ["1", "3", "0"] + HUGE,
    "epochs": ["1"] + HUGE,
    "batch_size": ["1", "3", "60000"] + HUGE,
    "crop": ["16", "48", "17", "16384"] + HUGE,
    "seed": ["0", "4294967295"] + HUGE,
    "threads": ["1", "2", "100000"] + HUGE,
    "logf": ["1", "2"] + HUGE,
    "checkpoint_every": ["1", "2"] + HUGE,
    "keep_checkpoints": ["1"] + HUGE,
    "validate_every": ["1", "2"] + HUGE,
    "overlay_images": ["1", "100"] + HUGE,
    "warmup_steps": ["1"] + HUGE,
    "learning_rate": ["1e-3", "10", "1e30", "1e-40"] + HUGE,
    "weight_decay": ["0.1", "1e30"] + HUGE,
    "initial_loss_scale": ["8", "1e38", "1e-7"] + HUGE,
    "dice_weight": ["0", "1e30"] + HUGE,
    "max_gradient_norm": ["0.1"] + HUGE,
    "min_scale": ["0.5", "2"] + HUGE,
    "foreground_probability": ["1", "0.5"] + HUGE,
    "stddev": ["1", "1e-5"] + HUGE,
    "workers": ["0", "1", "100000"] + HUGE,
    "prefetch": ["1"] + HUGE,
    "cache_bytes": ["1000"] + HUGE,
    "max_pixels": ["100", "100000"] + HUGE,
    "ignore_index": ["0", "254", "65535"] + HUGE,
    "class_names": ["a,b", "a", "a,a", ",", "a,b,c,d", "a\nb", "\udcff"],
    "sinks": ["", "heatmaps", "wandb,tensorboard", "heatmap"],
    "progress": ["lines", "bar", "loud"],
    "device": ["cpu", "auto", "tpu"],
    "category": ["screw", "x"],
    "val_split": ["train", "train2017", "x", "../train"],
    "resume": ["latest", "/", "/nonexistent"],
    "init": ["/dev/null", "/nonexistent", "/etc/passwd", "/"],
    "set": ["train.steps=2", "train.steps", "x=1", "net.base_channels=0"],
    "stepz": ["1"],
}
SWITCHES = ["--noaugment", "--strict", "--smoke=x", "--nostrict=1", "loose",
            "--", "--print_config", "--help"]


def flags(rng):
    given = []
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        name = rng.choice(list(FLAGS))
        given.append(f"--{name}={rng.choice(FLAGS[name])}")
    if rng.random() < 0.1:
        given.append(rng.choice(SWITCHES))
    return given


# What is expected.

def no_constant(name):
    raise ValueError(f"{name} is no JSON")


def check_json(path):
    text = path.read_bytes().decode("utf-8")
    lines = text.split("\n")[:-1] if path.suffix == ".jsonl" else [text]
    for line in lines:
        json.loads(line, parse_constant=no_constant)


def check(status, sent, stderr, output):
    """What is wrong with a run, one text each."""
    wrong = []
    # Before the program listens to signals, or while it ends of an error.
    killed = sent is not None and -status == sent
    if killed:
        status = STOPS[sent]
    stopped = status in STOPS.values()
    if status not in (0, 1, 2) and not stopped:
        wrong.append(f"status {status}")
    if stopped and (sent is None or status != STOPS[sent]):
        wrong.append(f"status {status} though {sent} was sent")
    lines = stderr.rstrip("\n").split("\n")
    errors = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    runs = [path for path in output.glob("*/*") if not path.is_symlink()]
    if status in (1, 2):
        if len(errors) != 1:
            wrong.append(f"{len(errors)} lines begin with 'error: '")
        elif len(lines) - errors[0] > LINES_OF_AN_ERROR:
            wrong.append(f"an error of {len(lines) - errors[0]} lines")
        refused = not any(line.startswith("run    ") for line in lines)
        if refused and len(lines) > LINES_OF_AN_ERROR:
            wrong.append(f"a refusal of {len(lines)} lines")
        if (refused or status == 2) and runs:
            wrong.append(f"a refused run left {runs[0]}")
    elif errors and not killed:
        wrong.append(f"status {status} with an error")
    for run in runs:
        if run.name.startswith("."):
            wrong.append(f"{run} is left")
        for path in [*run.rglob("*.json"), *run.rglob("*.jsonl")]:
            try:
                check_json(path)
            except ValueError as error:
                wrong.append(f"{path}: {error}")
        if (run / "DONE").exists() != (status == 0):
            wrong.append(f"status {status}, and DONE is "
                         f"{'there' if status else 'missing'}")
    return wrong


def run_once(rng, train, work):
    """(what was run, what is wrong with it, its status)."""
    data, output = work / "data", work / "runs"
    output.mkdir(parents=True)
    faults = rng.random() < 0.6
    kind = rng.choice([folder, folder, folder, coco, coco, mvtec, embedded])
    of_data = kind(rng, data, faults)
    extra = flags(rng)
    names = {flag.split("=")[0] for flag in extra}
    base = {"--models": "nvfp4", "--model_scale_factor": "0.125", "--steps": "2",
            "--crop": "32", "--batch_size": "2", "--logf": "0", "--threads": "1",
            "--validate_every": "0", "--warmup_steps": "0",
            "--progress": "off"}
    if rng.random() < 0.15:
        base["--steps"] = "50"
    if "--epochs" in names:
        del base["--steps"]
    command = [train, f"--output_dir={output}", *of_data, *extra]
    command += [f"{name}={value}" for name, value in base.items()
                if name not in names]
    # A training that is accepted may be long: then it is stopped.
    sent = rng.choice(list(STOPS)) if rng.random() < 0.25 else None
    after = rng.uniform(0.2, 4)
    process = subprocess.Popen(
        [os.fsencode(part) for part in command], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS,
                                              (MEMORY, MEMORY)))
    wrong = []
    try:
        _, stderr = process.communicate(timeout=after if sent else 30)
        sent = None
    except subprocess.TimeoutExpired:
        sent = sent or signal.SIGINT
        process.send_signal(sent)
        try:
            _, stderr = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            _, stderr = process.communicate()
            wrong.append(f"it did not end within {TIMEOUT} s of {sent}")
    stderr = stderr.decode("utf-8", "replace")
    wrong += check(process.returncode, sent, stderr, output)
    said = [line for line in stderr.split("\n") if line.startswith("error: ")]
    return command, wrong, process.returncode, said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp())
    statuses, failures = {}, 0
    numbers = range(options.runs) if options.only is None else [options.only]
    for number in numbers:
        rng = random.Random(f"{options.seed} {number}")
        directory = work / str(number)
        command, wrong, status, said = run_once(rng, options.train, directory)
        statuses[status] = statuses.get(status, 0) + 1
        if wrong:
            failures += 1
            print(f"FAILED: run {number} of the seed {options.seed}: "
                  f"{'; '.join(wrong)}\n  {command}\n  {said}", flush=True)
        elif options.only is not None:
            print(f"run {number}: status {status} {said}\n  {command}\n"
                  f"  files: {directory}")
        if options.only is None:
            shutil.rmtree(directory)
    print(f"{len(numbers)} runs, {failures} of them wrong; statuses {statuses}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
