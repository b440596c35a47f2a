#!/usr/bin/env bash
# RUSTC_WORKSPACE_WRAPPER of fuzz.sh: compiles our crates so that libFuzzer sees which code an input reaches.
set -euo pipefail
rustc=$1
shift
case " $* " in
    *" --crate-name camdock "* | *" --crate-name camdock_fuzz "* | *" --crate-name fuzz_"*)
        exec "$rustc" "$@" -C passes=sancov-module \
            -C llvm-args=-sanitizer-coverage-level=4 \
            -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
            -C llvm-args=-sanitizer-coverage-pc-table \
            -C llvm-args=-sanitizer-coverage-trace-compares
        ;;
esac
exec "$rustc" "$@"
