# SPDX-License-Identifier: Apache-2.0
# Flags of our own executables: warnings, -march=native, the components that this machine has. Nothing of this is
# ever attached to an INTERFACE target.

if(PROJECT_IS_TOP_LEVEL)
  find_program(MOLMO_CCACHE ccache)
  mark_as_advanced(MOLMO_CCACHE)
  if(MOLMO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # The sloppiness lets ccache serve units that use a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${MOLMO_CCACHE}")
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT DEFINED CMAKE_RUNTIME_OUTPUT_DIRECTORY)
    set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  endif()
endif()

set(MOLMO_WARNINGS -Wall -Wextra -Wconversion -Wshadow)

# Seconds of wall time after which a test counts as hanging. Generous, because the machines that run the tests may be busy
# with other work; what has a limit of its own counts CPU time.
set(MOLMO_TEST_PATIENCE 3600)

# molmo_own_target(<target>): warnings and the instruction set of this machine.
function(molmo_own_target target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${MOLMO_WARNINGS}>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # g++ 12 finds "uninitialized" registers in its own AVX-512 header (GCC bug 105593).
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized;-Wno-uninitialized>)
    endif()
    if(MOLMO_WERROR)
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
    endif()
    if(MOLMO_NATIVE)
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
    endif()
  endif()
endfunction()

# molmo_link_available(<target>): every component whose package was found, with MOLMO_HAS_XSIMD=1 and so on. For our own
# executables only: the library itself never asks.
function(molmo_link_available target)
  target_link_libraries(${target} PRIVATE molmo::molmo)
  foreach(component IN LISTS MOLMO_AVAILABLE)
    if(component STREQUAL "cuda")
      continue()  # .cu targets link it themselves
    endif()
    string(TOUPPER "${component}" upper)
    target_link_libraries(${target} PRIVATE molmo::${component})
    target_compile_definitions(${target} PRIVATE MOLMO_HAS_${upper}=1)
  endforeach()
endfunction()

# molmo_find(<package> <target> <purpose> <Debian package> <result variable>): an optional package of our own programs.
function(molmo_find package target purpose debian result)
  if(NOT TARGET ${target})
    molmo_find_package(${package})
  endif()
  if(TARGET ${target})
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
    set(why "not found")
    if(MOLMO_BROKEN_${package})
      set(why "fails: ${MOLMO_BROKEN_${package}}")
    endif()
    message(STATUS "${purpose}: skipped, ${package} ${why}; on Debian and Ubuntu: apt install ${debian}")
  endif()
endfunction()

# The folder next to the repository may hold larger models and data; nothing depends on it.
get_filename_component(MOLMO_SHARED_DIR "${PROJECT_SOURCE_DIR}/../shared" ABSOLUTE)
if(NOT IS_DIRECTORY "${MOLMO_SHARED_DIR}")
  set(MOLMO_SHARED_DIR "")
endif()
