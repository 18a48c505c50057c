"""The steps of deploy/Dockerfile by hand, for machines without a container engine: whoever has root and overlayfs can do
them. The machine itself, seen through an overlay that takes every write, stands for the base of the building stage; the
base of the image is laid out from Debian's packages, which distroless is made of."""

import ctypes
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# In the official image of Rust.
CARGO_HOME, RUSTUP_HOME = "/usr/local/cargo", "/usr/local/rustup"


def instructions(text):
    """Keyword and rest of every instruction, lines put together, comments left out."""
    lines = [l for l in text.splitlines() if not l.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


class Dockerfile:
    def __init__(self, text=None):
        self.stages, self.args = [], {}
        for word, rest in instructions(text or (ROOT / "deploy/Dockerfile").read_text()):
            if word == "ARG":
                name, _, default = rest.partition("=")
                self.args[name] = os.environ.get(name, default)
                if self.stages:
                    self.stages[-1][1].append((word, name))
            elif word == "FROM":
                self.stages.append((self.filled(rest), []))
            else:
                self.stages[-1][1].append((word, self.filled(rest)))

    def filled(self, text):
        return re.sub(r"\$\{(\w+)\}", lambda m: self.args[m.group(1)], text)

    def stage(self, name):
        return next(steps for base, steps in self.stages if base.endswith(f" AS {name}"))

    def last(self, word):
        """The rest of the image's instruction of this name, lists as lists."""
        found = [rest for w, rest in self.stages[-1][1] if w == word][-1]
        return json.loads(found) if found.startswith("[") else found


def context(into):
    """What `.dockerignore` lets into the building stage."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*" and all(l.startswith("!") for l in lines[1:]), lines
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *[l[1:] for l in lines[1:]]],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)


def environment():
    """Ours without what would change the build."""
    odd = re.compile(r"CARGO_(PROFILE_|TARGET_|BUILD_|INCREMENTAL|HOME)|RUSTFLAGS|RUSTUP_HOME")
    return {k: v for k, v in os.environ.items() if not odd.match(k)}


def build(work):
    """Does the building stage in a fresh overlay below `work`; gives the folder of what it wrote."""
    shutil.rmtree(work, ignore_errors=True)
    upper, merged = work / "upper", work / "merged"
    env, place, runs = environment(), "/", []
    for word, rest in Dockerfile().stage("build"):
        if word == "ARG":
            env |= {rest: os.environ[rest]} if rest in os.environ else {}
        elif word == "ENV":
            env.update(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "WORKDIR":
            place = rest
        elif word == "COPY":
            assert rest == ". .", rest
            context(upper / place.lstrip("/"))
        elif word == "RUN":
            runs.append(f"cd {place} && {rest}")
        else:
            raise AssertionError(f"no idea how to do {word}")
    for folder in (merged, work / "work", upper / CARGO_HOME[1:], upper / RUSTUP_HOME[1:]):
        folder.mkdir(parents=True, exist_ok=True)
    ours = {CARGO_HOME: os.environ.get("CARGO_HOME", "/root/.cargo"), RUSTUP_HOME: os.environ.get("RUSTUP_HOME", "/root/.rustup")}
    steps = [f"mount -t overlay overlay -o lowerdir=/,upperdir={upper},workdir={work}/work {merged}",
             f"mount --rbind /dev {merged}/dev", f"mount -t proc proc {merged}/proc",
             *[f"mount --bind {merged}{own} {merged}{name}" for name, own in ours.items()],
             *[f"chroot {merged} sh -c {shlex.quote(run)}" for run in runs]]
    env |= {"CARGO_HOME": CARGO_HOME, "RUSTUP_HOME": RUSTUP_HOME, "PATH": f"{CARGO_HOME}/bin:{os.environ['PATH']}"}
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-euc", "\n".join(steps)], check=True, env=env)
    return upper


# Of distroless' base what the Dockerfile says that the binary needs, and what every base has.
PACKAGES = ["libc6", "libgcc-s1"]
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
                  "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def packages(cache):
    """The packages' files, unpacked once."""
    if not cache.is_dir():
        cache.mkdir(parents=True)
        subprocess.run(["apt-get", "-qq", "download", *PACKAGES], cwd=cache, check=True)
        for package in cache.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, cache / "root"], check=True)
    return cache / "root"


def lay(root, binary, sbom, cache):
    """The image's root file system: the base, then the Dockerfile's last stage."""
    shutil.copytree(packages(cache), root, symlinks=True)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    authorities = root / "etc/ssl/certs/ca-certificates.crt"
    authorities.parent.mkdir(parents=True)
    shutil.copy(os.path.realpath("/etc/ssl/certs/ca-certificates.crt"), authorities)
    built = {"orderwire": binary, "orderwire.cdx.json": sbom}
    for word, rest in Dockerfile().stages[-1][1]:
        if word == "COPY":
            mode, source, target = re.fullmatch(r"--from=build --chmod=(\d+) (\S+) (\S+)", rest).groups()
            place = root / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(built[Path(source).name], place)
            place.chmod(int(mode, 8))


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True)


def loopback_up():
    """A new network namespace has a loopback that is down."""
    import fcntl
    import socket
    import struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1 | 64))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING


class Container:
    """A service of the compose file: its image's root with its volumes, read-only, its user, its environment."""

    def __init__(self, root, service, volumes, env, args=()):
        """`root`: the image, for this container alone. `volumes`: source as written → folder or file of this machine."""
        self.root, self.env, self.log = root, env, root.parent / f"{root.name}.log"
        self.user = tuple(map(int, service["user"].split(":")))
        self.command = list(args) or service["command"]
        self.devices()
        for volume in service.get("volumes", []):
            source, target, *how = volume.split(":")
            self.bind(volumes[source], target, how == ["ro"])
        for entry in service.get("tmpfs", []):
            target, _, options = entry.partition(":")
            place = root / target.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            mount("-t", "tmpfs", "-o", options, "tmpfs", place)
        if service.get("read_only"):
            mount("-o", "remount,bind,ro", root)

    def devices(self):
        mount("--bind", self.root, self.root)
        for name in ("proc", "dev", "tmp"):
            (self.root / name).mkdir(exist_ok=True)
        mount("-t", "proc", "proc", self.root / "proc")
        for name in ("null", "zero", "random", "urandom"):
            place = self.root / "dev" / name
            if not place.exists():
                place.touch()
            mount("--bind", f"/dev/{name}", place)

    def bind(self, source, target, read_only):
        place = self.root / target.lstrip("/")
        if Path(source).is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        mount("--bind", source, place)
        if read_only:
            mount("-o", "remount,bind,ro", place)

    def become(self):
        os.chroot(self.root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(self.user[1])
        os.setuid(self.user[0])
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS

    def start(self, command=None):
        with self.log.open("ab") as out:
            return subprocess.Popen(command or self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT, preexec_fn=self.become)

    def run(self, command):
        return subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              preexec_fn=self.become, timeout=60)


def main():
    """`image.py base FOLDER`: fetch the packages; `image.py build FOLDER`: do the building stage; both print where it is."""
    what, folder = sys.argv[1:]
    print({"base": packages, "build": build}[what](Path(folder).resolve()))


if __name__ == "__main__":
    main()
