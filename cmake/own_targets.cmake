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

# Seconds of wall time after which a test counts as hanging. Generous, because the machines that run the tests may be
# busy with other work; what has a limit of its own counts CPU time.
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

# molmo_harden(<target>): what compilers offer against the use of mistakes by strangers' files, as far as this one has
# it; where sanitizers look for the mistakes themselves, nothing. The property MOLMO_HARDENED says what was found:
#   pie relro  the program lies at a random address; its tables of addresses are read-only from the start
#   stack      arrays on the stack are followed by a secret that a write beyond them destroys
#   cf         jumps to computed addresses end only where jumps may end
#   fortify    memcpy, printf and the like check the sizes that the compiler knows; optimised builds only
function(molmo_harden target)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang" OR CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    return()
  endif()
  include(CheckCXXCompilerFlag)
  include(CheckCXXSourceCompiles)
  include(CheckLinkerFlag)
  include(CheckPIESupported)
  set(found "")
  check_pie_supported(LANGUAGES CXX)
  if(CMAKE_CXX_LINK_PIE_SUPPORTED)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    list(APPEND found pie)
  endif()
  check_linker_flag(CXX "LINKER:-z,relro,-z,now" molmo_has_relro)
  if(molmo_has_relro)
    target_link_options(${target} PRIVATE "LINKER:-z,relro,-z,now")
    list(APPEND found relro)
  endif()
  check_cxx_compiler_flag(-fstack-protector-strong molmo_has_stack_protector)
  if(molmo_has_stack_protector)
    target_compile_options(${target} PRIVATE -fstack-protector-strong)
    list(APPEND found stack)
  endif()
  check_cxx_compiler_flag(-fcf-protection=full molmo_has_cf_protection)            # x86
  check_cxx_compiler_flag(-mbranch-protection=standard molmo_has_branch_protection)  # Arm
  if(molmo_has_cf_protection)
    target_compile_options(${target} PRIVATE -fcf-protection=full)
    list(APPEND found cf)
  elseif(molmo_has_branch_protection)
    target_compile_options(${target} PRIVATE -mbranch-protection=standard)
    list(APPEND found cf)
  endif()
  # Level 3 needs g++ 12 or clang 9 and glibc 2.34; older ones take it for level 2, or for a mistake.
  foreach(level IN ITEMS 3 2)
    set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${level} -Werror")
    check_cxx_source_compiles("#include <cstring>
      #if !defined(__USE_FORTIFY_LEVEL) || __USE_FORTIFY_LEVEL < ${level}
      #error no such level
      #endif
      int main() {}" molmo_has_fortify_${level})
    if(molmo_has_fortify_${level})
      target_compile_options(${target} PRIVATE
        "$<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=${level}>")
      list(APPEND found fortify)
      break()
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES MOLMO_HARDENED "${found}")
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
