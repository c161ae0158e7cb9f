# List the recipes.
default:
    @just --list --unsorted

# Show the whole journey of a real event, against a simulated cluster.
demo *arguments: setup
    cargo run --quiet --locked --package host -- demo {{arguments}}

# Pass all tests; those that need a cluster start one where FALCO_TALON_TEST_CLUSTER names a command.
test: setup
    cargo test --locked --workspace

# Check the format.
fmt:
    cargo fmt --all --check

# Check the lints, warnings being errors.
lint: setup
    cargo clippy --locked --workspace --all-targets -- -D warnings

# Build the documentation, warnings being errors.
doc: setup
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# The advisories are in a repository on GitHub. Without a way there, name the checks that need none:
# `just deny bans licenses sources`. Needs `cargo install --locked cargo-deny`.
# Check the licences, versions and sources of dependencies, and what is known against them.
deny *checks="all":
    cargo deny --locked check --deny warnings {{checks}}

# Build the component of an actionner of your own, e.g. `just component path/to/crate out.wasm`.
component crate out: setup
    cargo run --quiet --locked --package falco-talon-builder -- {{crate}} {{out}}

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

# Kill a host that is under load again and again, and cut the power as often: nothing is lost, and nothing done twice.
crash kills="100": setup
    FALCO_TALON_TEST_KILLS={{kills}} FALCO_TALON_TEST_RATE=500 \
        cargo test --locked --workspace --test it -- --nocapture crash::

# Let a host run for a while under load, with all notifiers and an output: memory is flat, nothing is lost, all adds up.
soak minutes="10": setup
    FALCO_TALON_TEST_SOAK_SECONDS=$(({{minutes}} * 60)) \
        cargo test --locked --workspace --test it -- --nocapture soak::

# Measure the host and what it is compared with, all in one run.
bench: setup
    cargo build --locked --profile bench --package host --package bench
    cargo run --locked --profile bench --package bench

# Needs `cargo install --locked cargo-fuzz`; what is found lies in `tests/fuzz/artifacts`.
# Let libFuzzer look for input that breaks what must hold, each target for some minutes.
fuzz minutes="1":
    #!/bin/sh
    set -eu
    for seeds in tests/fuzz/seeds/*; do
        target=$(basename "$seeds")
        corpus=tests/fuzz/corpus/$target
        mkdir -p "$corpus"
        cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none --features libfuzzer --codegen-units 16 \
            "$target" "$corpus" "$seeds" -- \
            -max_total_time=$(({{minutes}} * 60)) -timeout=5 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1
    done

# Build what is shipped, target/dist/falco-talon: slowly, and optimised across crates.
dist: setup
    cargo build --locked --profile dist --package host --bin falco-talon
