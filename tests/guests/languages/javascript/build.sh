#!/bin/sh
# build.sh OUT: makes the component. Needs node and npm.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tools.sh"
componentize=$(npm_install componentize-qjs 0.4.5)/node_modules/.bin/componentize-qjs

# Without `--sync` it imports asynchronous functions, which the host does not have. What is left of WASI is a trap.
"$componentize" --sync --stub-wasi --opt-size --wit "$contract" --js "$here/label.js" -o "$1"
