"""Known vulnerabilities of everything that is pinned: one line each, and exit code 1 where there is one.

Where the vulnerability service cannot be reached (no network, a mirror without it) that is said, and the exit code is
0: an audit that did not take place is not a finding, and must not look like a clean one either.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main(pinned: str) -> int:
    """Audit a file of exact pins."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    command = [sys.executable, "-m", "pip_audit", "-r", pinned, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"not audited: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}")
        return 0
    audited = [one for one in found if "skip_reason" not in one]
    vulnerable = [one for one in audited if one.get("vulns")]
    for one in vulnerable:
        for known in one["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version"
            print(f"{one['name']} {one['version']}: {known['id']}, mended in {fixed}")
    if not audited:
        print(f"not audited: the service knows none of the {len(found)} packages (a mirror?)")
    else:
        print(f"{len(audited)} of {len(found)} packages audited, {len(vulnerable)} with known vulnerabilities")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
