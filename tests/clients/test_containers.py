"""The two containers, as far as they can be read without a container engine: what they say holds in this repository."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import BINARY, ROOT, running
from node_script import run_node

DEV = ROOT / ".devcontainer" / "Dockerfile"
PRODUCTION = ROOT / "Dockerfile"
# Ways to give a user a password or root's rights.
SECRETS = re.compile(r"chpasswd|passwd|--password|useradd[^&]* -p |NOPASSWD|sudo ", re.IGNORECASE)


def instructions(path):
    """The instructions of a Dockerfile as pairs of name and arguments; comments and line ends are gone."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def named(path, name):
    return [arguments for instruction, arguments in instructions(path) if instruction == name]


def last_stage(path):
    """The instructions of the stage that becomes the image, the last of each name."""
    found = instructions(path)
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[start:])


def toolchain():
    return re.search(r'^channel = "(.+)"$', (ROOT / "rust-toolchain.toml").read_text(), re.MULTILINE).group(1)


@pytest.fixture(scope="module")
def dev_container():
    """What the reference implementation reads. `true` stands for Docker: no container is there that could be asked."""
    read = run_node(
        "node_modules/@devcontainers/cli/devcontainer.js",
        "read-configuration",
        *("--workspace-folder", ROOT),
        *("--docker-path", "true"),
        *("--mount-workspace-git-root", "false"),
    )
    return json.loads(read)["configuration"]


def test_the_dev_container_runs_as_the_user_that_its_image_makes(dev_container):
    user = dev_container["remoteUser"]
    assert user != "root"
    assert dev_container["containerUser"] == user
    assert last_stage(DEV)["USER"] == user
    assert any(re.search(rf"useradd [^&]*\b{user}$", run) for run in named(DEV, "RUN"))


def test_the_dev_container_keeps_the_user_forwards_the_port_and_brings_the_tools(dev_container):
    assert dev_container["runArgs"] == ["--userns=keep-id"]
    assert dev_container["forwardPorts"] == [8080]
    assert set(dev_container["customizations"]["vscode"]["extensions"]) == {
        "rust-lang.rust-analyzer",
        "tamasfe.even-better-toml",
        "eamodio.gitlens",
        "ms-vsliveshare.vsliveshare",
        "redhat.vscode-yaml",
    }


def test_the_dev_container_builds_the_environment_and_checks_the_format_on_every_start(dev_container):
    script = ROOT / dev_container["postStartCommand"]
    assert os.access(script, os.X_OK)
    commands = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert "scripts/setup.sh test" in commands
    assert "cargo fmt --all --check" in commands
    assert any(command.startswith("cargo build") for command in commands)


def test_the_dev_image_is_ubuntu_with_the_toolchain_of_the_repository(dev_container):
    build = dev_container["build"]
    context = (DEV.parent / build["context"]).resolve()
    assert (DEV.parent / build["dockerfile"], context) == (DEV, ROOT)
    assert named(DEV, "FROM") == ["ubuntu:24.04"]
    assert any("rust-toolchain.toml" in copy for copy in named(DEV, "COPY"))
    install = next(run for run in named(DEV, "RUN") if "rustup toolchain install" in run)
    # The version stands in one file, and the command reads it there.
    assert toolchain() not in DEV.read_text()
    command = re.search(r'channel="\$\((.+?)\)" ', install).group(1)
    command = command.replace("/tmp/rust-toolchain.toml", str(ROOT / "rust-toolchain.toml"))
    assert subprocess.check_output(["bash", "-c", command], text=True).strip() == toolchain()


@pytest.mark.parametrize("path", [DEV, PRODUCTION], ids=["dev", "production"])
def test_no_image_holds_a_password_or_ends_as_root(path):
    text = "\n".join(f"{name} {arguments}" for name, arguments in instructions(path))
    assert not SECRETS.search(text)
    assert last_stage(path)["USER"].split(":")[0] not in {"root", "0"}


@pytest.mark.parametrize("path", [DEV, PRODUCTION], ids=["dev", "production"])
def test_images_are_made_of_pinned_ones_and_of_files_that_are_let_through(path):
    for image in named(path, "FROM"):
        name, tag = image.split()[0].split(":")
        assert name and tag not in {"", "latest"}
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for copy in named(path, "COPY"):
        parts = copy.split()
        if any(part.startswith("--from=") for part in parts):
            continue
        *sources, _ = [part for part in parts if not part.startswith("--")]
        assert all((ROOT / source).exists() for source in sources)
        assert set(sources) <= let_through


def test_the_production_image_is_built_with_the_toolchain_of_the_repository():
    *build, runtime = [image.split()[0] for image in named(PRODUCTION, "FROM")]
    debian = runtime.removeprefix("debian:").removesuffix("-slim")
    assert set(build) == {f"rust:{toolchain()}-slim-{debian}"}


def test_the_production_image_starts_the_binary_that_cargo_builds():
    stage = last_stage(PRODUCTION)
    (binary,) = json.loads(stage["ENTRYPOINT"])
    copied = [copy.split()[-2:] for copy in named(PRODUCTION, "COPY") if "--from=build" in copy]
    made = next(source for source, target in copied if target == binary)
    assert f"target/release/{pathlib.Path(made).name} {pathlib.Path(made).parent}/" in named(PRODUCTION, "RUN")[-1]
    metadata = cargo_metadata(ROOT, "--no-deps")
    bins = [
        target["name"]
        for package in metadata["packages"]
        if package["name"] == "genesis-mesh-server"
        for target in package["targets"]
        if "bin" in target["kind"]
    ]
    assert bins == [pathlib.Path(made).name]
    assert stage["EXPOSE"] == "8080"
    check = json.loads(stage["HEALTHCHECK"].split(" CMD ", 1)[1])
    assert check == [binary, "health", "--url", "http://127.0.0.1:8080/health"]
    assert json.loads(stage["CMD"]) == ["serve", "--host", "0.0.0.0", "--port", "8080"]


def test_the_health_check_of_the_image_tells_a_server_that_is_well_from_one_that_is_gone(tmp_path):
    _, command, option, url = json.loads(last_stage(PRODUCTION)["HEALTHCHECK"].split(" CMD ", 1)[1])
    script = tmp_path / "script.toml"
    script.write_text('[[rule]]\ntext = "Hello."\n')
    with running("--script", str(script)) as server:
        check = [BINARY, command, option, url.replace("127.0.0.1:8080", server.address)]
        assert subprocess.run(check, timeout=60).returncode == 0
    assert subprocess.run(check, timeout=60, capture_output=True).returncode == 1


def cargo_metadata(folder, *arguments):
    return json.loads(
        subprocess.check_output(
            ["cargo", "metadata", "--format-version", "1", "--locked", "--offline", *arguments], cwd=folder
        )
    )


def tracked(*folders):
    listed = subprocess.check_output(["git", "ls-files", "-z", *folders], cwd=ROOT, text=True)
    return [path for path in listed.split("\0") if path and (ROOT / path).is_file()]


def manifest_stage(folder, change=None):
    """Does in `folder` what the stage `manifests` does, and gives the digest of what comes out."""
    folder.mkdir()
    for path in tracked("Cargo.toml", "Cargo.lock", "crates", "xtask"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    if change:
        (folder / change).write_text("pub fn changed() {}\n")
    subprocess.check_call(["sh", "-c", named(PRODUCTION, "RUN")[0]], cwd=folder)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def test_the_layer_of_dependencies_changes_with_the_manifests_alone(tmp_path):
    before = manifest_stage(tmp_path / "before")
    assert manifest_stage(tmp_path / "code", "crates/genesis-mesh-server/src/routes.rs") == before
    assert manifest_stage(tmp_path / "lib", "crates/genesis-mesh/src/lib.rs") == before
    assert manifest_stage(tmp_path / "manifest", "crates/genesis-mesh/Cargo.toml") != before
    # What is left is a workspace that resolves, with every crate in it, and the lock file fits.
    members = {package["name"] for package in cargo_metadata(ROOT, "--no-deps")["packages"]}
    left = {package["name"] for package in cargo_metadata(tmp_path / "before", "--no-deps")["packages"]}
    assert left == members
    tree = ["cargo", "tree", "--locked", "--offline", "--package", "genesis-mesh-server", "--depth", "0"]
    assert subprocess.check_output(tree, cwd=tmp_path / "before", text=True).startswith("genesis-mesh-server ")


def test_the_lock_of_node_packages_holds_checksums_and_no_addresses():
    lock = json.loads((ROOT / "tests" / "clients-node" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
