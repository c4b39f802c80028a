// Runs the tests: all of them, or those whose names contain the argument.
// After each one the number of open descriptors must be what it was before.
// Prints the claims that do not hold, then one line: `N passed, N failed`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "../core/poller.h"
#include "../core/signals.h"
#include "../core/sys.h"
#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

// A test that hangs is ended by SIGALRM, and with it the run.
constexpr unsigned kTestMaxS = 60;

struct Test {
  const char* name;
  Body body;
};

// A function's own static, for the tests add themselves before main().
std::vector<Test>& tests() {
  static std::vector<Test> instance;
  return instance;
}

const char* running = "";
std::atomic<int> failures{0};
std::mutex output;

bool run(const Test& test) {
  running = test.name;
  failures = 0;
  const int descriptors = open_descriptors();
  alarm(kTestMaxS);
  test.body();
  alarm(0);
  sys::clear_faults();
  // A moment's patience: a machine under load may have made release() give up
  // on the poll thread, which then closes its descriptors by itself.
  CHECK(eventually([=] { return open_descriptors() == descriptors; }));
  return failures == 0;
}

}  // namespace

bool add_test(const char* name, Body body) {
  tests().push_back({name, body});
  return true;
}

void fail(const char* file, int line, const std::string& what) {
  const std::lock_guard<std::mutex> lock(output);
  const char* const slash = strrchr(file, '/');
  // Only the first few: what fails in a loop fails a thousand times.
  if (failures.fetch_add(1) >= 5) return;
  fprintf(stderr, "FAILED %s\n  %s:%d: %s\n", running, slash ? slash + 1 : file, line,
          what.c_str());
}

}  // namespace millrace::test

int main(int argc, char** argv) {
  using namespace millrace;
  using namespace millrace::test;
  // Opened once and kept for life by design, so it is not the leak of a test.
  signals::descriptor();
  int passed = 0;
  int failed = 0;
  for (const Test& test : tests()) {
    if (argc > 1 && strstr(test.name, argv[1]) == nullptr) continue;
    const int64_t start_ns = sys::monotonic_ns();
    (test::run(test) ? passed : failed)++;
    const int64_t taken_ms = (sys::monotonic_ns() - start_ns) / 1000000;
    if (getenv("MILLRACE_TEST_TIMES")) printf("%6ld ms  %s\n", long(taken_ms), test.name);
  }
  printf("%s: %d passed, %d failed\n", backend_name(default_backend()), passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
