# SPDX-License-Identifier: Apache-2.0
# Every option of the build, with its meaning. Used as a subproject, molmo builds nothing of its own.

option(MOLMO_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(MOLMO_BUILD_BENCHMARKS "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(MOLMO_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(MOLMO_BUILD_TOOLS "Build the command line tool" ${PROJECT_IS_TOP_LEVEL})
option(MOLMO_BUILD_FUZZERS "Build the libFuzzer harnesses (clang only)" OFF)
option(MOLMO_NATIVE "Compile our own executables for this machine (-march=native); never reaches a user's target"
       ${PROJECT_IS_TOP_LEVEL})
option(MOLMO_WERROR "Warnings are errors in our own executables" OFF)
option(MOLMO_FETCH_DEPS "Download fmt, CLI11, Catch2 and nlohmann/json where the system has none" OFF)
set(MOLMO_FETCH_FROM "https://github.com" CACHE STRING
    "Where MOLMO_FETCH_DEPS downloads from; a mirror has the paths of GitHub")
option(MOLMO_INSTALL "Create the install rules" ${PROJECT_IS_TOP_LEVEL})

# AUTO: present if the package is found. ON: required. OFF: not looked for.
foreach(component IN ITEMS XSIMD ONEDNN EIGEN IO CUDA)
  set(MOLMO_${component} AUTO CACHE STRING "Component molmo::${component}: AUTO, ON or OFF. CUDA=ON also compiles the .cu tests")
  set_property(CACHE MOLMO_${component} PROPERTY STRINGS AUTO ON OFF)
endforeach()

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

# What MOLMO_BUILD_TESTS builds. The suites are the folders of tests/ that repeat include/molmo, and "cuda" for the .cu
# files; the tree checks are laws, header_alone, must_not_compile, consumer, budget.
set(MOLMO_TEST_SUITES core formats expr backend ops layers models io run bench CACHE STRING "Test folders to build")
option(MOLMO_TEST_TREE_CHECKS "Also run the checks that compile things of their own" ON)
option(MOLMO_TIDY "Run clang-tidy over the tool and a program that includes every public header, while building" OFF)
