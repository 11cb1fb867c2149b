"""Look for secrets in what git tracks, by detect-secrets (`make safe`): a line each, and exit status 1.

A line that is meant ends with `pragma: allowlist secret`. A place-holder in an address is none: see `PLACEHOLDERS`.
"""

import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parent.parent
# What looks like the key to something. Those that guess by the name of a variable cry wolf at every test.
DETECTORS = (
    *(
        "AWSKeyDetector",
        "AzureStorageKeyDetector",
        "BasicAuthDetector",
        "DiscordBotTokenDetector",
        "GitHubTokenDetector",
    ),
    *("GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector"),
    *("PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "StripeDetector"),
    *("TelegramBotTokenDetector", "TwilioKeyDetector"),
)
# A string of 64 hexadecimal digits is how wallets and our own `openssl rand -hex 24` write theirs.
SETTINGS = {"plugins_used": [*({"name": name} for name in DETECTORS), {"name": "HexHighEntropyString", "limit": 3.0}]}
PLACEHOLDERS = {"password", "secret", "word"}
# Hashes of packages, pictures, other people's scripts, recorded markets.
LEFT_OUT = (".lock", ".png", ".svg", ".gz", ".parquet", ".csv", ".jsonl")
VENDORED = "api/static/vendor/"
LARGEST_BYTES = 200_000
WORKERS = 2


def tracked() -> list[Path]:
    """Return the files of the repository that a person may have written something into."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S607
    names = [name for name in listed.split("\0") if name and not name.endswith(LEFT_OUT) and VENDORED not in name]
    return [path for name in names if (path := ROOT / name).is_file() and path.stat().st_size <= LARGEST_BYTES]


def found_in(paths: Iterable[Path]) -> list[str]:
    """Return what looks like a secret: file, line and kind, never the secret."""
    with transient_settings(SETTINGS):
        return [
            f"{path}:{each.line_number}: {each.type}"
            for path in paths
            for each in scan_file(str(path))
            if each.secret_value not in PLACEHOLDERS
        ]


def main() -> int:
    """Scan everything; return the exit status."""
    if not (ROOT / ".git").exists():
        sys.stdout.write("this is no checkout of git: not looked for secrets\n")
        return 0
    paths = tracked()
    with ProcessPoolExecutor(WORKERS) as workers:
        found = [line for part in workers.map(found_in, [paths[i::8] for i in range(8)]) for line in part]
    for line in sorted(found):
        sys.stderr.write(f"{line}\n")
    if found:
        sys.stderr.write(
            "take it out and make it void where it is valid; what is none ends with # pragma: allowlist secret\n"
        )
        return 1
    sys.stdout.write(f"no secret in {len(paths)} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
