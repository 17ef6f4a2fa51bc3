// SPDX-License-Identifier: Apache-2.0
// molmo --version: all that a report of a mistake should say about the program and the machine.
#include <molmo/core/platform.hpp>
#include <molmo/version.hpp>

#include <fmt/format.h>
#include <nlohmann/json_fwd.hpp>

#if MOLMO_HAS_XSIMD
#include <molmo/backend/lanes.hpp>
#endif
#if MOLMO_HAS_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif
#if MOLMO_HAS_EIGEN
#include <Eigen/Core>
#endif

#include <thread>

#include "commands.hpp"
#include "machine.hpp"
#include "molmo_commit.hpp"  // written by the build

namespace molmo_tool {

std::string about() {
  std::string out = fmt::format("molmo {}.{}.{}\n", molmo::version.major, molmo::version.minor, molmo::version.patch);
  if (commit[0] != '\0') out += fmt::format("commit     {}\n", commit);
#if defined(__clang__)
  out += fmt::format("compiler   clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#elif defined(__GNUC__)
  out += fmt::format("compiler   g++ {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#else
  out += "compiler   unknown";
#endif
#if defined(MOLMO_BUILD_TYPE)
  out += ", " MOLMO_BUILD_TYPE;
#endif
#if MOLMO_AVX512
  constexpr const char* isa = "x86-64 with AVX-512";
#elif MOLMO_AVX2
  constexpr const char* isa = "x86-64 with AVX2 and FMA";
#elif defined(__x86_64__)
  constexpr const char* isa = "x86-64";
#elif defined(__aarch64__)
  constexpr const char* isa = "AArch64";
#else
  constexpr const char* isa = "this processor";
#endif
  out += fmt::format("\ncompiled for {}\n", isa);
  out += fmt::format("backends   {}\n", backend_choices());
  out += "libraries ";
#if MOLMO_HAS_XSIMD
  out += fmt::format(" xsimd {}.{}.{} ({}),", XSIMD_VERSION_MAJOR, XSIMD_VERSION_MINOR, XSIMD_VERSION_PATCH,
                     molmo::native::name());
#endif
#if MOLMO_HAS_ONEDNN
  const dnnl_version_t* dnnl = dnnl_version();
  out += fmt::format(" oneDNN {}.{}.{},", dnnl->major, dnnl->minor, dnnl->patch);
#endif
#if MOLMO_HAS_EIGEN
  out += fmt::format(" Eigen {}.{}.{},", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION);
#endif
  out += fmt::format(" nlohmann-json {}.{}.{}, fmt {}.{}.{}, CLI11 {}\n", NLOHMANN_JSON_VERSION_MAJOR,
                     NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH, FMT_VERSION / 10000,
                     FMT_VERSION / 100 % 100, FMT_VERSION % 100, cli_version());
  const std::string processor = processor_name();
  out += fmt::format("machine    {}{}{} threads", processor, processor.empty() ? "" : ", ",
                     std::thread::hardware_concurrency());
  return out;
}

std::string_view missing_instructions() {
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
  __builtin_cpu_init();
#if MOLMO_AVX512
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return "AVX-512";
#endif
#if MOLMO_AVX2
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return "AVX2";
#endif
#endif
  return {};
}

}  // namespace molmo_tool
