#!/usr/bin/env bash
# run_tests.sh all|fast|closing-line: the tests with cargo-nextest if it is installed, else with cargo test.
# `fast` leaves out the tests that take minutes, by their names: `…over_4_gib…`, `vm_…` and `browser_…`.
# Tests with #[ignore] are measurements for a release build, run by hand: neither mode runs them.
# The counts of both runners end in one line, kept for `closing-line`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
log=$target/test.log
vm_log=$target/test-vm.log
closing=$target/test.closing-line
locked=()
if [ -n "${CI:-}" ]; then locked=(--locked); fi
# Two more than there are cores, as many tests mostly wait. Not more: preview workers run at the lowest priority, and would
# wait behind the other tests.
threads=$(($(nproc) + 2))

mode=${1:-all}
case $mode in
    all | fast) ;;
    closing-line) cat "$closing"; exit 0 ;;
    *) echo "run_tests.sh: '$mode' is none of all, fast, closing-line" >&2; exit 2 ;;
esac
rm -f "$closing" "$vm_log"

if [ "$mode" = all ]; then
    echo "run_tests.sh: building the tests, then the guest of the virtual machine"
    cargo test "${locked[@]}" --no-run </dev/null
    cargo test "${locked[@]}" --quiet --test vm -- --ignored --exact cases::the_guest_is_made </dev/null
fi

status=0
if [ "${CAMDOCK_RUNNER:-}" != cargo ] && cargo nextest --version >/dev/null 2>&1; then
    runner=nextest
    which=()
    if [ "$mode" = fast ]; then which=(-E 'not test(/over_4_gib|(^|::)(vm|browser)_/)'); fi
    cargo nextest run "${locked[@]}" --no-fail-fast --no-tests fail --test-threads "$threads" "${which[@]}" 2>&1 </dev/null \
        | tee "$log" || status=$?
else
    runner=cargo
    which=(--test-threads "$(nproc)" --skip vm_)
    vm=
    if [ "$mode" = fast ]; then
        which+=(--skip over_4_gib --skip browser_)
    else
        # Virtual machines run beside all other tests: cargo runs one test program at a time.
        cargo test "${locked[@]}" --no-fail-fast --test vm -- --test-threads 2 >"$vm_log" 2>&1 </dev/null &
        vm=$!
    fi
    cargo test "${locked[@]}" --no-fail-fast -- "${which[@]}" 2>&1 </dev/null | tee "$log" || status=$?
    if [ -n "$vm" ]; then
        wait "$vm" || status=$?
        tee -a "$log" <"$vm_log"
    fi
fi

# Colour codes are taken out; then one pass adds up the runner's counts.
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
