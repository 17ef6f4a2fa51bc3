# SPDX-License-Identifier: Apache-2.0
# MOLMO_FETCH_DEPS=ON: what the system lacks of these four is downloaded at configure time, as the archives that GitHub
# makes of fixed tags, and refused where it is not these bytes. xsimd, oneDNN, Eigen and CUDA are never downloaded. Off
# by default: no build uses the network without being asked to. MOLMO_FETCH_FROM may name a mirror, or file:///a/folder.
include(FetchContent)

# molmo_fetch(<name> <target> <archive> <SHA-256> [<arguments of find_package, which is tried first>...])
macro(molmo_fetch name target archive hash)
  FetchContent_Declare(${name} URL "${MOLMO_FETCH_FROM}/${archive}" URL_HASH "SHA256=${hash}" FIND_PACKAGE_ARGS ${ARGN})
  FetchContent_MakeAvailable(${name})
  if(TARGET ${target})  # made here, not found: our warnings are not for its headers
    get_target_property(imported ${target} IMPORTED)
    if(NOT imported)
      set_target_properties(${target} PROPERTIES SYSTEM ON)
    endif()
  endif()
endmacro()

molmo_fetch(nlohmann_json nlohmann_json nlohmann/json/archive/refs/tags/v3.11.3.tar.gz
            0d8ef5af7f9794e3263480193c491549b2ba6cc74bb018906202ada498a79406 3.11)
if(MOLMO_BUILD_TOOLS OR MOLMO_BUILD_EXAMPLES)
  molmo_fetch(fmt fmt fmtlib/fmt/archive/refs/tags/10.2.1.tar.gz
              1250e4cc58bf06ee631567523f48848dc4596133e163f02615c97f78bab6c811)
  molmo_fetch(CLI11 CLI11 CLIUtils/CLI11/archive/refs/tags/v2.4.1.tar.gz
              73b7ec52261ce8fe980a29df6b4ceb66243bb0b779451dbd3d014cfec9fdbb58)
endif()
if(MOLMO_BUILD_TESTS)
  molmo_fetch(Catch2 Catch2 catchorg/Catch2/archive/refs/tags/v3.4.0.tar.gz
              122928b814b75717316c71af69bd2b43387643ba076a6ec16e7882bfb2dfacbb)
endif()
