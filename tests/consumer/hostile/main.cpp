// SPDX-License-Identifier: Apache-2.0
// A program whose system headers have defined common words as macros before molmo is included.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <climits>
#include <cmath>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#define min(a, b) please write (std::min)(a, b)
#define max(a, b) please write (std::max)(a, b)
#define small char
#define near
#define far
#define interface struct
#define I (__extension__ 1.0iF)
#define B0 0000000

#include "../program.cpp"
