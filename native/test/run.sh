#!/bin/sh
# Builds and runs the tests of native/core: plain, then under the address,
# undefined and leak sanitizers, then under the thread sanitizer; each on
# every backend of this system. Fails if any of them does.
#
#   native/test/run.sh                    everything
#   native/test/run.sh thread deadline    one build, tests named like "deadline"
set -u
cd "$(dirname "$0")" || exit 1

export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1"
export UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:detect_deadlocks=1"

status=0
for sanitizer in ${1:-plain address thread}; do
  make -s -j2 SANITIZE="$sanitizer" || exit 1
  for backend in epoll poll; do
    printf '%s, ' "$sanitizer"
    MILLRACE_POLL_BACKEND=$backend "../build/test-$sanitizer/core-test" ${2:+"$2"} || status=1
  done
done
exit $status
