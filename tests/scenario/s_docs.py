"""What the README and the pages of docs/ show is true: their commands are run, and the output must be of the shape that is shown.

A fence ```sh run is a command; the fence behind it, if it is marked `out`, is what it prints. Those of one page share a shell, in
order; `run=NAME` is a shell and a server of its own. ```json file=NAME is a file that they find. `needs=KIND`: only where the
server knows that kind of provider. In an output `...` stands for anything, white space is free, and ids, times, sizes and
addresses are not compared."""

import json
import os
import re
import shutil
import subprocess
import sys

from lib.check import Failure, check, check_eq
from lib.env import time_limit
from lib.server import free_port
from lib.slow import scaled

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADDRESS = "127.0.0.1:8080"
FENCE = re.compile(r"```(\w*)(.*)")

MASKS = [(re.compile(pattern), name) for pattern, name in (
    (r"run_[0-9A-Z]{26}", "RUN"),
    (r"req_[0-9A-Z]{26}", "REQ"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3}Z)?", "TIME"),
    (r"Date: .* GMT", "DATE"),
    (r"Content-Length: \d+", "LENGTH"),
    (r"127\.0\.0\.1:[1-9]\d*", "ADDRESS"),
    (r"/\S*/demo\.db", "DEMO.DB"),
    (r"kill -TERM \d+", "KILL"),
    (r"\b\d+(\.\d+)? (ms|s|min|h)\b", "DURATION"),
)]


class Block:
    def __init__(self, place, words):
        self.place = place
        self.words = dict(w.partition("=")[::2] for w in words.split())
        self.text = ""


def blocks_of(page):
    """The fenced blocks, in order."""
    found, block = [], None
    with open(os.path.join(ROOT, page), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            fence = FENCE.match(line)
            if fence and block is None:
                block = Block(f"{page}:{number}", fence.group(2))
            elif fence:
                found.append(block)
                block = None
            elif block is not None:
                block.text += line
    check(block is None, f"{page}: every fence is closed")
    return found


def commands_of(blocks, shell):
    """Pairs of a command and its output (or None) that belong to that shell."""
    pairs = []
    for i, block in enumerate(blocks):
        if block.words.get("run") == shell:
            behind = blocks[i + 1] if i + 1 < len(blocks) else None
            pairs.append((block, behind if behind is not None and "out" in behind.words else None))
    check(pairs, f"there are commands for the shell '{shell}'")
    return pairs


def masked(text):
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def shape_of(shown):
    """The shown output as a regular expression."""
    parts = [r"\s*".join(re.escape(word) for word in part.split()) for part in masked(shown).split("...")]
    return re.compile(r"\s*" + r"\s*.*?\s*".join(parts) + r"\s*", re.DOTALL)


def check_shape(shown, got, place):
    # Without its white space on both sides, so that a line may be wrapped anywhere between two words.
    if not shape_of(shown).fullmatch(masked(got)):
        raise Failure(f"{place}: the output is not what the page shows", f"shown:\n{shown}", f"got:\n{got}")


def run_commands(env, pairs, server, kinds):
    """All in one shell, so that a variable set by one is there for the next."""
    pairs = [(c, o) for c, o in pairs if c.words.get("needs", "sim") in kinds]
    script = "set -eu\n"
    for i, (command, _) in enumerate(pairs):
        text = command.text.replace(ADDRESS, server.url.removeprefix("http://"))
        text = text.replace("make demo", f"{ROOT}/scripts/demo {env.binary}")
        script += f"exec >out.{i} 2>err.{i}\n{text}\n"
    environ = dict(os.environ, SLUICE_URL=server.url, PATH=os.path.dirname(env.binary) + ":" + os.environ["PATH"])
    done = subprocess.run(["bash", "-c", script], cwd=env.tmp, env=environ, timeout=scaled(100), stdin=subprocess.DEVNULL)
    for i, (command, shown) in enumerate(pairs):
        got, said = read(env, f"out.{i}"), read(env, f"err.{i}")
        if got is None or (done.returncode != 0 and i + 1 < len(pairs) and read(env, f"out.{i + 1}") is None):
            raise Failure(f"{command.place}: the command failed with {done.returncode}", command.text, got, said)
        if shown is not None:
            check_shape(shown.text, got, command.place)
    check_eq(done.returncode, 0, f"exit code of the last command, {pairs[-1][0].place}")


def read(env, name):
    try:
        with open(os.path.join(env.tmp, name), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return None


def write_files(env, blocks, change):
    """The pages' files, as `change` makes them. Returns the names."""
    names = []
    for block in blocks:
        if "file" in block.words:
            names.append(block.words["file"])
            with open(os.path.join(env.tmp, names[-1]), "w", encoding="utf-8") as f:
                f.write(change(block.text))
    return names


def kinds_of(env):
    """The kinds of provider that this build has, as its manual names them."""
    page = subprocess.run([env.binary, "serve", "--print-config-docs"], capture_output=True, text=True, check=True).stdout
    row = next(line for line in page.split("\n") if line.startswith("| `providers.NAME.kind` |"))
    return re.findall(r'`"(\w+)"`', row)


def needs_curl(env):
    curl = shutil.which("curl")
    version = subprocess.run([curl, "--version"], capture_output=True, text=True).stdout if curl else ""
    found = re.match(r"curl (\d+)\.(\d+)", version)
    if not found or (int(found.group(1)), int(found.group(2))) < (7, 84):
        env.skip("no curl 7.84 here")


def start_on_file(env, name, **environ):
    """A server on a page's file, which was written with this server's address."""
    server = env.new_server(environ=environ)
    with open(os.path.join(env.tmp, name), encoding="utf-8") as f:
        text = f.read().replace(ADDRESS, server.url.removeprefix("http://"))
    server.write_config(text)
    server.spawn("--db", server.database)
    server.wait_ready()
    return server


@time_limit(120)
def test_the_readme_is_true(env):
    needs_curl(env)
    run_commands(env, commands_of(blocks_of("README.md"), ""), env.server(), ["sim"])


def test_the_readme_has_every_command(env):
    shown = env.cli("--help").stdout
    commands = re.findall(r"^  ([a-z]+)  ", shown, re.MULTILINE)
    check(len(commands) > 10, "commands in --help", shown)
    with open(f"{ROOT}/README.md", encoding="utf-8") as f:
        rows = [line.split("|")[1] for line in f if line.startswith("| `sluice ")]
    named = " ".join(rows).replace("`", " ").replace(",", " ").split()
    for command in commands:
        check(command in named, f"README.md's table has no row of sluice {command}")


def test_the_readmes_provider_works(env):
    up = env.upstream()
    blocks = blocks_of("README.md")
    write_files(env, blocks, lambda text: text.replace("https://api.openai.com", f"http://127.0.0.1:{up.port}"))
    server = start_on_file(env, "sluice.json", OPENAI_API_KEY="sk-from-the-environment")
    run_commands(env, commands_of(blocks, "provider"), server, ["sim"])
    check_eq(up.log()[0]["authorization"], "Bearer sk-from-the-environment", "the key that the provider saw")
    messages = json.loads(up.log()[0]["body"])["messages"]
    check_eq([m["content"] for m in messages], ["Be brief.", "Say hello"], "what the provider was asked")


def run_page(env, page, config):
    """A page with one shell and one file for the server, with the scripted upstream where the page has it."""
    needs_curl(env)
    up, kinds, blocks = env.upstream(), kinds_of(env), blocks_of(page)

    def known(text):
        config = json.loads(text.replace("127.0.0.1:9000", f"127.0.0.1:{up.port}"))
        if "providers" in config:
            config["providers"] = {n: p for n, p in config["providers"].items() if p["kind"] in kinds}
        return json.dumps(config)
    write_files(env, blocks, known)
    run_commands(env, commands_of(blocks, ""), start_on_file(env, config), kinds)


@time_limit(120)
def test_every_way_to_ask_is_true(env):
    run_page(env, "docs/requests.md", "requests.json")


@time_limit(120)
def test_every_tree_is_true(env):
    needs_curl(env)
    os.symlink(os.path.join(ROOT, "examples"), os.path.join(env.tmp, "examples"))
    run_commands(env, commands_of(blocks_of("docs/trees.md"), ""), env.server(), ["sim"])


@time_limit(120)
def test_every_change_of_an_agent_is_true(env):
    needs_curl(env)
    run_commands(env, commands_of(blocks_of("docs/catalog.md"), ""), env.server(), ["sim"])


@time_limit(120)
def test_the_webhooks_receiver_is_true(env):
    needs_curl(env)
    port, blocks = str(free_port()), blocks_of("docs/webhooks.md")
    for block in blocks:
        # however it ends: nobody is left behind
        block.text = block.text.replace("9100", port).replace("python3 receiver.py", f"timeout 60 {sys.executable} receiver.py")
    write_files(env, blocks, lambda text: text)
    run_commands(env, commands_of(blocks, ""), start_on_file(env, "webhooks.json"), ["sim"])


@time_limit(120)
def test_every_way_to_fail_is_true(env):
    run_page(env, "docs/resilience.md", "resilience.json")


def test_links_between_the_pages_lead_somewhere(env):
    pages = ["README.md", "CONTRIBUTING.md"] + ["docs/" + p for p in os.listdir(os.path.join(ROOT, "docs")) if p.endswith(".md")]
    for page in pages:
        with open(os.path.join(ROOT, page), encoding="utf-8") as f:
            text = f.read()
        for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", text):
            path = os.path.normpath(os.path.join(ROOT, os.path.dirname(page), target)) if target else os.path.join(ROOT, page)
            check(os.path.exists(path), f"{page}: {target} exists")
            if anchor:
                check(anchor[1:] in anchors_of(path), f"{page}: {target}{anchor} exists")


def anchors_of(path):
    """As a forge makes them of headings."""
    with open(path, encoding="utf-8") as f:
        headings = re.findall(r"^#+ (.*)$", f.read(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]


def test_the_configuration_page_is_up_to_date(env):
    page = subprocess.run([env.binary, "serve", "--print-config-docs"], capture_output=True, text=True, check=True).stdout
    with open(os.path.join(ROOT, "docs/configuration.md"), encoding="utf-8") as f:
        check(f.read() == page, "docs/configuration.md is what `make docs` writes")


def test_the_sample_configuration_is_fine(env):
    done = env.cli("check", os.path.join(ROOT, "examples/sluice.json"))
    check_eq(done.returncode, 0, "exit code of check", done.stdout, done.stderr)
