#!/bin/sh
# build.sh OUT: makes the component. Needs python3 with pip.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tools.sh"
componentize=$(pypi componentize-py 0.25.1)

# From a copy, since it leaves compiled files beside the source.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/label.py" "$work"
PYTHONPATH=$componentize "$componentize/bin/componentize-py" \
  -d "$contract" -w actionner componentize -p "$work" label -o "$1"
