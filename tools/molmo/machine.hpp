// SPDX-License-Identifier: Apache-2.0
// What this machine has and can do: free memory, threads, and the limits that speeds are compared with.
#pragma once

#include <molmo/core/result.hpp>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace molmo_tool {

/// Bytes that a program may still allocate without swapping: what the system says is available, or what is left under
/// the limit of its container. The largest number where nobody says.
[[nodiscard]] std::uint64_t available_memory();
/// "Intel(R) Xeon(R) ...", or "".
[[nodiscard]] std::string processor_name();

/// The threads to use: what was asked for on the command line, else MOLMO_NUM_THREADS, else 0: default_threads().
/// errc::invalid_argument where either is not a number from 1 to 1024.
[[nodiscard]] molmo::result<int> threads_asked_for(std::optional<int> asked);
/// One per core, but no more than one per 4 MB of weights: with less to do between two barriers, threads that have to
/// wait for each other gain little on an idle machine and lose much on a busy one.
[[nodiscard]] int default_threads(std::uint64_t weight_bytes);

/// The best that was seen of this machine in a tenth of a second: a limit is a limit, even if other programs take their
/// share now and then. 0 where this program cannot measure it, or had to stop before.
struct Limits {
  double read = 0;   ///< bytes/s of reading a set of that size again and again
  double flops = 0;  ///< f32 operations/s, a multiply-add counting two
};
/// With so many threads, each reading its own part of the set out of the cache that holds it, or with one of them alone
/// where that is faster. `generate` and `bench` both print this, for the bytes that a decode step reads (decode_bytes).
[[nodiscard]] Limits measure_limits(int threads, double set_bytes, const std::stop_token& stop);

/// The limits of the machine as such, per second, with so many threads; 0 where this program cannot measure it.
struct MachineLimits {
  int threads = 1;
  double flops = 0, int8 = 0;                        ///< operations, a multiply-add counting two
  double read_l2 = 0, read_l3 = 0, read_memory = 0;  ///< bytes
  double barrier_seconds = 0;                        ///< of a parallel step that does nothing
};
/// For 1, 2, 4, 8 ... `most` threads; for fewer after a stop was asked for.
[[nodiscard]] std::vector<MachineLimits> measure_machine_limits(int most, const std::stop_token& stop);

/// The most memory that this program has had so far, in bytes; 0 where the system does not say.
[[nodiscard]] std::uint64_t peak_memory();

}  // namespace molmo_tool
