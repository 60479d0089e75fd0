#!/usr/bin/env bash
# Print the first Python that can hold latentscale, or say in one line that there is none.
# A name on PATH proves little: a pyenv shim may lead nowhere and Debian ships Python without
# ensurepip, so each candidate must run. PyMC caps the newest Python.
set -u

candidates() {
  type -aP python3 python3.14 python3.13 python3.12
  if type -P uv >/dev/null; then
    uv python find --system --no-python-downloads '>=3.12,<3.15'
  fi
  ls -dr "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[234]*/bin/python3
}

usable() {
  "$1" -c 'import sys, ensurepip, ssl, venv; sys.exit(not (3, 12) <= sys.version_info < (3, 15))'
}

while read -r python; do
  if usable "$python"; then
    echo "$python"
    exit 0
  fi
done 2>/dev/null < <(candidates 2>/dev/null)

echo "No usable Python found: latentscale needs Python 3.12, 3.13 or 3.14 with venv, as python3," \
  "python3.14, python3.13 or python3.12 on PATH, or known to uv (uv python install 3.13)." >&2
exit 1
