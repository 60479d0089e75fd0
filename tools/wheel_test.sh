#!/usr/bin/env bash
# Build the sdist and from it the wheel, then use the wheel as a stranger would: a clean
# environment, another folder, nothing of the repository in reach.
# Usage: tools/wheel_test.sh PYTHON
set -euo pipefail

python=$1
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT

rm -rf dist
"$python" -m build --no-isolation --outdir dist
"$python" -m venv "$elsewhere/venv"
"$elsewhere/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  dist/latentscale-*.whl -c constraints.txt

cd "$elsewhere"
venv/bin/latentscale --help >/dev/null
venv/bin/python -I -c 'import latentscale as ls; print(ls.__file__); print(ls.load_leaderboard())'
