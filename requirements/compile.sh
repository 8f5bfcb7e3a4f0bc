#!/usr/bin/env bash
# Writes the four locks from pyproject.toml: exact versions, hashes of every platform's files, and no address.
#   build.txt    what turns this folder into an installed `mailgap`
#   runtime.txt  what `mailgap` runs on
#   dev.txt      both, and what checks it
#   ship.txt     what looks at the image, the chart and the supply chain, beside dev.txt
# Called by `make requirements`. Pass --upgrade to move to newer versions; without it only what must move does.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PIP_FIND_LINKS  # a hash of a local wheel is of no use to anybody else

python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# pip-compile knows no dependency groups, so each lock gets an input made from pyproject.toml.
"$python" - "$scratch" <<'PY'
import pathlib, sys, tomllib

project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
# hatchling needs `editables` for `pip install -e`, and says so only while it builds.
build = [*project["build-system"]["requires"], "editables>=0.5"]
# The image has the extras too: what a setting can choose must be there.
extras = project["project"].get("optional-dependencies", {})
runtime = [*project["project"]["dependencies"], *(line for lines in extras.values() for line in lines)]
dev = project["dependency-groups"]["dev"]
ship = project["dependency-groups"]["ship"]
# Not asked for by name, but held back, each for its reason.
holds = [
    "python-dateutil<3",  # comes with Faust's croniter, whose release predates 3; botocore wants < 3 as well
]
pathlib.Path(sys.argv[1], "holds.txt").write_text("\n".join(holds) + "\n")
for name, lines in {"build": build, "runtime": runtime, "dev": [*build, *runtime, *dev], "ship": ship}.items():
    pathlib.Path(sys.argv[1], f"{name}.in").write_text("\n".join(lines) + "\n")
PY

lock() {
    local name=$1
    shift
    "$python" -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
        --constraint "$scratch/holds.txt" --output-file="requirements/$name.txt" "$@" "$scratch/$name.in"
}
# The dev lock holds everything, so it decides; the others follow it and never contradict it.
lock dev "$@"
lock runtime "$@" --constraint requirements/dev.txt
lock build "$@" --constraint requirements/dev.txt
lock ship "$@" --constraint requirements/dev.txt

if grep -nE '://|--(index|extra|find|trusted)' requirements/*.txt; then
    echo "A lock names an address (above); remove what put it there." >&2
    exit 1
fi
