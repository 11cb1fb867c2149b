"""Hold the lock file against itself and against the known holes (osv.dev, by `uv audit`): `make safe`.

The first part needs no network: every package comes with its hashes, from one registry. Where the database of holes
does not answer, the second part says so and is skipped.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "https://pypi.org/simple"
AWAY = ("Request failed", "error sending request", "dns error")


def unlocked(lock: str) -> list[str]:
    """Return what a lock file lets be something else tomorrow: a package of elsewhere, or a file without its hash."""
    faults: list[str] = []
    for package in tomllib.loads(lock)["package"]:
        if package["source"] in ({"virtual": "."}, {"editable": "."}):
            continue
        name = f"{package['name']} {package.get('version', '')}".strip()
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if package["source"] != {"registry": REGISTRY}:
            faults.append(f"{name}: expected it from {REGISTRY}, found {package['source']}")
        elif not files or not all(str(file.get("hash", "")).startswith("sha256:") for file in files):
            faults.append(f"{name}: expected a sha256 of each of its files: uv lock")
    return faults


def audit(*options: str, uv: str = "uv") -> tuple[int, str]:
    """Ask for known holes; return the exit status and what there is to say."""
    command = [uv, "audit", "--frozen", "--preview-features", "audit-command", *options]
    env = {**os.environ, "UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "20"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode and any(word in done.stderr for word in AWAY):
        return 0, "the database of known holes does not answer: skipped"
    return done.returncode, (done.stdout + done.stderr).strip()


def main() -> int:
    """Do both; return the exit status."""
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    faults = unlocked(lock)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    if faults:
        return 1
    sys.stdout.write(f"{lock.count('[[package]]')} packages are locked with their hashes\n")
    status, said = audit(uv=sys.argv[1] if len(sys.argv) > 1 else "uv")
    (sys.stderr if status else sys.stdout).write(f"{said}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
