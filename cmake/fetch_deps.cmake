# SPDX-License-Identifier: Apache-2.0
# MOLMO_FETCH_DEPS=ON: what the system lacks of these four is downloaded at configure time, at fixed versions. xsimd,
# oneDNN, Eigen and CUDA are never downloaded. Off by default: a build that nobody asked to use the network does not.
include(FetchContent)

FetchContent_Declare(nlohmann_json GIT_REPOSITORY https://github.com/nlohmann/json.git GIT_TAG v3.11.3 GIT_SHALLOW ON
                     SYSTEM FIND_PACKAGE_ARGS 3.11)
FetchContent_MakeAvailable(nlohmann_json)
if(MOLMO_BUILD_TOOLS OR MOLMO_BUILD_EXAMPLES)
  FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt.git GIT_TAG 10.2.1 GIT_SHALLOW ON
                       SYSTEM FIND_PACKAGE_ARGS)
  FetchContent_Declare(CLI11 GIT_REPOSITORY https://github.com/CLIUtils/CLI11.git GIT_TAG v2.4.1 GIT_SHALLOW ON
                       SYSTEM FIND_PACKAGE_ARGS)
  FetchContent_MakeAvailable(fmt CLI11)
endif()
if(MOLMO_BUILD_TESTS)
  FetchContent_Declare(Catch2 GIT_REPOSITORY https://github.com/catchorg/Catch2.git GIT_TAG v3.4.0 GIT_SHALLOW ON
                       SYSTEM FIND_PACKAGE_ARGS)
  FetchContent_MakeAvailable(Catch2)
endif()
