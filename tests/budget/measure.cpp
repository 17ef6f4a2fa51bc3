// SPDX-License-Identifier: Apache-2.0
// measure <runs> <enough> <command> [arguments]: runs the command at most so often and prints the least CPU time
// (milliseconds, user and system, of the command and all that it starts) and the largest resident memory (KB). A time
// of at most <enough> milliseconds ends it early. CPU time, because the machines that run the tests are shared. Ends
// with the status of the command if that is not 0.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: measure <runs> <enough> <command> [arguments]\n", stderr);
    return 2;
  }
  long least = std::numeric_limits<long>::max();
  long memory = 0;
  const long enough = std::atol(argv[2]);
  for (int run = std::atoi(argv[1]); run > 0 && least > enough; --run) {
    const pid_t child = fork();
    if (child == 0) {
      execvp(argv[3], argv + 3);
      std::perror(argv[3]);
      _exit(127);
    }
    int status = 0;
    rusage used{};
    if (child < 0 || wait4(child, &status, 0, &used) != child) {
      std::perror("measure");
      return 2;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    const auto milliseconds = [](const timeval& t) {
      return static_cast<long>(t.tv_sec) * 1000 + static_cast<long>(t.tv_usec) / 1000;
    };
    least = std::min(least, milliseconds(used.ru_utime) + milliseconds(used.ru_stime));
    memory = std::max(memory, used.ru_maxrss);
  }
  std::printf("%ld %ld\n", least, memory);
}
