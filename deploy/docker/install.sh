#!/bin/sh
# Install the service without what it does not need: install.sh FOLDER [EXTRAS [PACKAGE ...]]
# FOLDER becomes a virtual environment. EXTRAS are those of the package; further packages come with it.
# PYTHON names the interpreter. Versions are those of constraints.txt.
set -eu
folder=$1
extras=${2:-serve,store}
[ $# -gt 2 ] && shift 2 || set --
here=$(cd "$(dirname "$0")/../.." && pwd)

"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/pip" install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
    --constraint "$here/constraints.txt" "$here[$extras]" "$@"
"$folder/bin/python" "$here/deploy/docker/prune.py" "$folder"
