"""Uploads the W&B runs of a training with `wandb sync` to a server that stands
for W&B's, on this machine, and compares what arrives with metrics.jsonl.

    python3 -m venv /tmp/readers
    /tmp/readers/bin/pip install -r tools/telemetry_check/requirements.txt
    /tmp/readers/bin/python tools/telemetry_check/upload_check.py RUN_DIRECTORY

The server answers the requests that wandb-core 0.28.2 makes: it knows nothing of
accounts, and stores nothing. Exits with 0 if every run was uploaded as a whole.
The runs are left as they were, so that they can still be uploaded for real: W&B
marks what it uploaded, and removes the files of artifacts.
"""

import collections
import gzip
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

KEY = 40 * "0"  # Of no account: wandb asks that there be one.
SECONDS = 300


class Uploaded:
    """What arrived of one run."""

    def __init__(self):
        self.rows = []
        self.files = set()
        self.artifacts = []  # Names, when they are complete.
        self.exit_code = None


class Server(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.runs = collections.defaultdict(Uploaded)
        self.names = {}  # Of the arms, by the runs' ids.
        self.artifacts = {}  # Run and name by id.
        self.unknown = set()

    def handle_error(self, request, client_address):
        # wandb-core drops the connections that it does not need any more.
        if not isinstance(sys.exc_info()[1], ConnectionResetError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, answer):
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        return data

    def do_GET(self):
        self.reply({})

    def do_PUT(self):
        self.body()
        # /upload/RUN/FILE
        _, kind, run, name = self.path.split("/", 3)
        if kind == "upload":
            with self.server.lock:
                self.server.runs[run].files.add(name)
        self.reply({})

    def do_POST(self):
        body = self.body()
        if self.path.endswith("/graphql"):
            self.reply({"data": self.answer(json.loads(body))})
        elif self.path.endswith("/file_stream"):
            with self.server.lock:
                self.stream(self.path.split("/")[-2], json.loads(body))
            self.reply({"exitcode": None, "limits": {}})
        else:
            self.reply({})  # Figures of wandb's own use.

    def stream(self, run, what):
        uploaded = self.server.runs[run]
        history = what.get("files", {}).get("wandb-history.jsonl", {})
        uploaded.rows += [json.loads(row) for row in history.get("content", [])]
        if what.get("complete"):
            uploaded.exit_code = what["exitcode"]

    def answer(self, query):
        name, given = query["operationName"], query.get("variables", {})
        server = self.server
        if name == "UpsertBucket":
            run = given["name"]
            with server.lock:
                if given.get("displayName"):
                    server.names[run] = given["displayName"]
            project = {"id": "project", "name": given["project"],
                       "entity": {"id": "entity", "name": "somebody"}}
            return {"upsertBucket": {"inserted": True, "bucket": {
                "id": run, "name": run, "displayName": run, "config": "{}",
                "summaryMetrics": "{}", "project": project,
                "historyLineCount": 0, "eventsLineCount": 0,
                "logLineCount": 0}}}
        if name == "ServerFeaturesQuery":
            return {"serverInfo": {"features": []}}
        if name == "CreateRunFiles":
            return {"createRunFiles": {
                "runID": given["run"], "uploadHeaders": [], "files": [
                    {"name": file, "uploadUrl":
                     f"{server.url}/upload/{given['run']}/{file}"}
                    for file in given["files"]]}}
        if name == "CreateArtifact":
            of = given["input"]
            with server.lock:
                identity = f"artifact{len(server.artifacts)}"
                server.artifacts[identity] = (of["runName"],
                                              of["artifactCollectionName"])
            return {"createArtifact": {"artifact": {
                "id": identity, "state": "PENDING",
                "artifactSequence": {"id": "s", "latestArtifact": None}}}}
        if name == "CreateArtifactManifest":
            return {"createArtifactManifest": {"artifactManifest": {
                "id": "manifest", "file": {
                    "id": "file", "name": "m", "displayName": "m",
                    "uploadUrl": server.url + "/manifest/0/0",
                    "uploadHeaders": []}}}}
        if name == "CreateArtifactFiles":
            return {"createArtifactFiles": {"files": {"edges": [
                {"node": {"id": file["name"], "name": file["name"],
                          "displayName": file["name"],
                          "storagePath": file["name"],
                          "uploadUrl": f"{server.url}/artifact/0/0",
                          "uploadHeaders": [], "uploadMultipartUrls": None,
                          "artifact": {"id": file["artifactID"]}}}
                for file in given["artifactFiles"]]}}}
        if name == "CommitArtifact":
            identity = given["artifactID"]
            with server.lock:
                run, artifact = server.artifacts[identity]
                server.runs[run].artifacts.append(artifact)
            return {"commitArtifact": {"artifact": {"id": identity,
                                                    "digest": ""}}}
        with server.lock:
            server.unknown.add(name)
        return {}


def expected(directory):
    """Of metrics.jsonl: {arm: {step: {key: number}}} and the arms' artifacts."""
    rows = collections.defaultdict(lambda: collections.defaultdict(dict))
    artifacts = collections.Counter()
    with open(os.path.join(directory, "metrics.jsonl")) as lines:
        for record in map(json.loads, lines):
            if record["type"] == "scalars":
                rows[record["model"]][record["step"]].update(record["values"])
            elif record["type"] == "artifact":
                artifacts[record["model"]] += 1
    return rows, artifacts


def check(name, uploaded, rows, artifacts, files):
    """Prints a line; whether all is there."""
    found = {row["_step"]: row for row in uploaded.rows}
    wanted = [(step, key, value) for step, row in rows.items()
              for key, value in row.items()]
    right = sum(found.get(step, {}).get(key) == value or
                (isinstance(value, str) and key in found.get(step, {}))
                for step, key, value in wanted)
    there = sum(file in uploaded.files for file in files)
    print(f"{name}: {right} of {len(wanted)} scalars, {there} of {len(files)} "
          f"pictures, pages and tables, {len(uploaded.artifacts)} of "
          f"{artifacts} artifacts, exit status {uploaded.exit_code}")
    return (right == len(wanted) and there == len(files) and
            len(uploaded.artifacts) == artifacts and uploaded.exit_code == 0)


def media(run_directory):
    files = os.path.join(run_directory, "files")
    return [os.path.relpath(os.path.join(at, name), files)
            for at, _, names in os.walk(os.path.join(files, "media"))
            for name in names]


def main():
    directory = sys.argv[1]
    rows, artifacts = expected(directory)
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    runs = os.path.abspath(os.path.join(directory, "wandb"))
    good = True
    with tempfile.TemporaryDirectory() as home:
        # W&B's own logs go there, too.
        environment = dict(os.environ, HOME=home, WANDB_DIR=home,
                           WANDB_API_KEY=KEY, WANDB_BASE_URL=server.url)
        for run in sorted(os.listdir(runs)):
            path = os.path.join(runs, run)
            kept = os.path.join(home, run)
            shutil.copytree(path, kept)
            command = [os.path.join(os.path.dirname(sys.executable), "wandb"),
                       "sync", path]
            try:
                done = subprocess.run(command, env=environment, text=True,
                                      capture_output=True, cwd=home,
                                      timeout=SECONDS)
            except subprocess.TimeoutExpired:
                print(f"{run}: wandb sync did not end in {SECONDS} s")
                good = False
                continue
            finally:
                shutil.rmtree(path)
                shutil.copytree(kept, path)
            if done.returncode != 0:
                print(f"{run}: {done.stderr}")
                good = False
                continue
            identity = run.rsplit("-", 1)[1]
            arm = server.names[identity]
            good &= check(arm, server.runs[identity], rows[arm],
                          artifacts[arm], media(path))
    if server.unknown:
        print("requests that this server does not know:", *server.unknown)
    print("all uploaded" if good else "NOT uploaded as a whole")
    sys.exit(0 if good else 1)


main()
