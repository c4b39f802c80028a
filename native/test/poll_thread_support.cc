// What the tests of the poll thread share; see poll_thread_support.h.
#include "poll_thread_support.h"

#include <dirent.h>

#include <fstream>

namespace millrace::test {

namespace {

constexpr std::chrono::seconds kWakeMax(5);

std::string task_file(const std::string& id, const char* name) {
  return "/proc/self/task/" + id + "/" + name;
}

}  // namespace

void Target::on_ready() {
  const std::lock_guard<std::mutex> lock(mutex_);
  wakes_++;
  woken_.notify_one();
}

bool Target::wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!woken_.wait_for(lock, kWakeMax, [&] { return wakes_ > taken_; })) return false;
  taken_ = wakes_;
  return true;
}

int Target::wakes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return wakes_;
}

Loop::Loop() {
  int error = 0;
  entry = PollThread::attach(poller.poller.get(), &target, &error);
}

std::vector<std::string> poll_threads() {
  std::vector<std::string> ids;
  DIR* const tasks = opendir("/proc/self/task");
  while (const dirent* const task = readdir(tasks)) {
    std::string name;
    std::getline(std::ifstream(task_file(task->d_name, "comm")), name);
    if (name == "millrace-poll") ids.push_back(task->d_name);
  }
  closedir(tasks);
  return ids;
}

uint64_t thread_status(const std::string& id, const std::string& field, int base) {
  std::ifstream status(task_file(id, "status"));
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(field, 0) == 0) return std::stoull(line.substr(field.size()), nullptr, base);
  }
  return 0;
}

}  // namespace millrace::test
