// The test vocabulary: claims, checks and a runner, in a page.
//
//   TEST(removed_descriptors_report_nothing) { CHECK_EQ(poller.remove(fd), 0); }
//
// The name is the claim. CHECK and CHECK_EQ note a failure and go on; REQUIRE
// ends the test, for what the rest of it stands on.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::test {

using Body = void (*)();

// Called before main() for every TEST.
bool add_test(const char* name, Body body);

// Notes a failure of the running test. Any thread.
void fail(const char* file, int line, const std::string& what);

template <typename Left, typename Right>
void check_equal(const Left& left, const Right& right, const char* text, const char* file,
                 int line) {
  if (left == static_cast<Left>(right)) return;
  fail(file, line,
       std::string(text) + ": " + std::to_string(left) + " is not " + std::to_string(right));
}

}  // namespace millrace::test

#define TEST(name)                                                                        \
  static void test_##name();                                                              \
  [[maybe_unused]] static const bool added_##name =                                       \
      ::millrace::test::add_test(#name, test_##name);                                     \
  static void test_##name()

#define CHECK(condition)                                                                  \
  do {                                                                                    \
    if (!(condition)) ::millrace::test::fail(__FILE__, __LINE__, #condition);             \
  } while (0)

#define CHECK_EQ(left, right)                                                             \
  ::millrace::test::check_equal(left, right, #left " == " #right, __FILE__, __LINE__)

#define REQUIRE(condition)                                                                \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      ::millrace::test::fail(__FILE__, __LINE__, #condition);                             \
      return;                                                                             \
    }                                                                                     \
  } while (0)
