"""How every image is made ready for kernels, whatever its base: the programs that are put into it for that; pure.

`finish.py` does it, run by the image's own Python; what looks for that Python is a shell script, as nothing is known of
the image yet. The other scripts are what steps are carried out by.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import finish, layout

TOOLS = finish.TOOLS
"""The folder in the image that has them, and uv."""
OLDEST = "3.11"

FIND_PYTHON = f"""\
# is given the minor that is asked for, or nothing
say() {{ echo "{finish.SENTENCE}$1"; exit 3; }}
{TOOLS}/uv --version >/dev/null 2>&1 ||
  say "this image can't run programs for glibc and the gateway's processor: take one of Debian, Ubuntu or Fedora"
[ -x {layout.ENVIRONMENT}/bin/python ] && PATH={layout.ENVIRONMENT}/bin:$PATH
seen=
for name in python3 python python$1 python3.14 python3.13 python3.12 python3.11 \\
    /opt/conda/bin/python3 /usr/local/bin/python3 /usr/bin/python3; do
  python=$(command -v "$name") || continue
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && [ "$version" = "${{1:-$version}}" ]; then
    exec "$python" -I {TOOLS}/finish.py finish
  fi
  case "$seen " in *" $version "*) ;; *) seen="$seen $version" ;; esac
done
wanted=${{1:-{OLDEST} or newer}}
[ -n "$seen" ] && say "kernels need Python $wanted, and this image has$seen: take one that has it"
say "kernels need Python $wanted, and this image has none: take one that has it, or install it in the image"
"""

RUN_STEP = f"""\
/bin/sh -c "$1"
code=$?
{layout.ENVIRONMENT}/bin/python -I {TOOLS}/finish.py own
exit $code
"""
"""A command of root's: what it leaves in the kernel's environment becomes the kernel user's, as cells change it."""

APT_STEP = f"""\
command -v apt-get >/dev/null ||
  {{ echo "{finish.SENTENCE}this image has no apt-get: install with a run step"; exit 3; }}
export DEBIAN_FRONTEND=noninteractive
apt-get update -q && apt-get install -q -y --no-install-recommends -- "$@" || exit
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
"""

PROGRAMS = {
    "finish.sh": FIND_PYTHON.encode(),
    "finish.py": Path(finish.__file__).read_bytes(),
    "run.sh": RUN_STEP.encode(),
    "apt.sh": APT_STEP.encode(),
}
VARIABLES = f"VIRTUAL_ENV={layout.ENVIRONMENT} UV_LINK_MODE=copy PATH={layout.ENVIRONMENT}/bin:$PATH"
"""The environment's programs come first; uv's cache is on another file system, about which it need not warn."""
FINISHING = hashlib.sha256(b"\0".join([*PROGRAMS.values(), VARIABLES.encode()])).hexdigest()
"""Names how images are finished: with another Farcell they are finished anew."""
