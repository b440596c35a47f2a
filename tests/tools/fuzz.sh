#!/usr/bin/env bash
# Fuzzes each target for FUZZ_SECONDS (60), starting from the kept inputs and from what earlier runs found. Stable Rust:
# the coverage that libFuzzer is guided by is LLVM's, switched on for our own crates only (fuzz_rustc.sh).
# FUZZ_TARGETS names some of them: parsers replies device unlock.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
seconds=${FUZZ_SECONDS:-60}
read -ra names <<<"${FUZZ_TARGETS:-parsers replies device unlock}"
locked=()
if [ -n "${CI:-}" ]; then locked=(--locked); fi

cargo fmt --check -p camdock-fuzz
RUSTC_WORKSPACE_WRAPPER=$here/fuzz_rustc.sh cargo build "${locked[@]}" -p camdock-fuzz

status=0
for name in "${names[@]}"; do
    found=$target/fuzz/$name
    mkdir -p "$found/corpus"
    echo "fuzz: $name for $seconds s"
    # A leak check needs a sanitizer's runtime, which stable Rust has not.
    if "$target/debug/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
        -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$found/" \
        "$found/corpus" "tests/fuzz/corpus/$name" >"$found/log" 2>&1 </dev/null; then
        grep -E '^(Done|stat::number_of_executed_units|stat::peak_rss_mb)|INITED' "$found/log" | sed 's/^/fuzz:   /'
    else
        status=1
        tail -n 40 "$found/log" >&2
        echo "fuzz: $name fails; run it again with: $target/debug/fuzz_$name $found/<the file named above>" >&2
        echo "fuzz: once mended, keep that file in tests/fuzz/corpus/$name" >&2
    fi
done
exit "$status"
