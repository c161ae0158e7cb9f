# List the recipes.
default:
    @just --list --unsorted

# Bring the standard library that actionners are compiled with, unless it is there.
setup:
    #!/bin/sh
    set -eu
    root=""
    if [ "$(id -u)" != 0 ]; then root=sudo; fi
    if [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
        echo "wasm32-unknown-unknown is installed"
    elif [ -f "$(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/Cargo.lock" ]; then
        echo "the source of the standard library is installed"
    elif rustup target add wasm32-unknown-unknown; then
        echo "wasm32-unknown-unknown has been installed"
    else
        $root apt-get update
        $root apt-get install --yes --no-install-recommends rustc-web cargo-web rust-web-src rust-web-llvm
    fi

# Measure the host and what it is compared with, all in one run.
bench:
    cargo build --release -p host -p bench
    cargo run --release -p bench
