#!/usr/bin/env bash
# run_tests.sh all|fast|closing-line: the tests with cargo-nextest if it is there, else with cargo test.
# `fast` leaves out what takes minutes, known by name: `…over_4_gib…`, `vm_…` and `browser_…`.
# Tests with #[ignore] are figures to be taken by hand, from a release build: neither runs them.
# The counts of both runners end in one line, kept for `closing-line`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
log=$target/test.log
closing=$target/test.closing-line
locked=()
if [ -n "${CI:-}" ]; then locked=(--locked); fi

mode=${1:-all}
if [ "$mode" = closing-line ]; then
    cat "$closing"
    exit 0
fi
rm -f "$closing"

if [ "${CAMDOCK_RUNNER:-}" != cargo ] && cargo nextest --version >/dev/null 2>&1; then
    case $mode in
        all) which=() ;;
        fast) which=(-E 'not test(/over_4_gib|(^|::)(vm|browser)_/)') ;;
        *) echo "run_tests.sh: '$mode' is none of all, fast, closing-line" >&2; exit 2 ;;
    esac
    command=(cargo nextest run "${locked[@]}" --no-fail-fast --no-tests fail "${which[@]}")
    runner=nextest
else
    case $mode in
        all) which=() ;;
        fast) which=(-- --skip over_4_gib --skip vm_ --skip browser_) ;;
        *) echo "run_tests.sh: '$mode' is none of all, fast, closing-line" >&2; exit 2 ;;
    esac
    command=(cargo test "${locked[@]}" --no-fail-fast "${which[@]}")
    runner=cargo
fi

status=0
"${command[@]}" 2>&1 </dev/null | tee "$log" || status=$?

# Colour codes are taken out; then one pass adds up what the runner said.
sed 's/\x1b\[[0-9;]*m//g' "$log" | awk -v runner="$runner" '
    function number_before(word,    i) {
        for (i = 2; i <= NF; i++) if ($i ~ "^" word "[,;]?$") return $(i - 1) + 0
        return 0
    }
    runner == "nextest" && $1 == "Summary" {
        passed = number_before("passed"); failed = number_before("failed") + number_before("timed"); skipped = number_before("skipped")
    }
    runner == "cargo" && /^test result:/ {
        passed += number_before("passed"); failed += number_before("failed"); skipped += number_before("ignored")
    }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
' >"$closing"

if [ "$status" -eq 0 ] && grep -q '^0 passed' "$closing"; then
    echo "run_tests.sh: the runner succeeded but no test ran" >&2
    status=1
fi
if [ "$status" -ne 0 ]; then cat "$closing"; fi
exit "$status"
