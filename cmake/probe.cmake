# SPDX-License-Identifier: Apache-2.0
# A package whose CMake file ends in an error takes the project that asked for it along, QUIET or not: oneDNN's of
# Debian 12 demands OpenCL headers that its package only recommends. So every optional package is first looked for by a
# scratch project (cmake/probe/): all of them in one run, and each in a run of its own only where that run fails.
#
#   molmo_probe(<package> ...)       remembers the packages that cannot be used, for the next call
#   molmo_find_package(<package>)    find_package(QUIET), without what the package prints; nothing for a broken package,
#                                    whose reason is then in MOLMO_BROKEN_<package>

function(molmo_probe_run result reason)
  set(folder "${PROJECT_BINARY_DIR}/CMakeFiles/molmo_probe")
  set(passed_on "")
  foreach(name IN ITEMS CMAKE_CXX_COMPILER CMAKE_MAKE_PROGRAM CMAKE_PREFIX_PATH CMAKE_MODULE_PATH CMAKE_TOOLCHAIN_FILE CMAKE_SYSROOT
                        CMAKE_FIND_ROOT_PATH CMAKE_LIBRARY_PATH CMAKE_INCLUDE_PATH)
    if(DEFINED ${name} AND NOT "${${name}}" STREQUAL "")
      list(JOIN ${name} "\\;" value)
      list(APPEND passed_on "-D${name}=${value}")
    endif()
  endforeach()
  foreach(package IN LISTS ARGN)
    foreach(name IN ITEMS ${package}_DIR ${package}_ROOT)
      if(${name})
        list(APPEND passed_on "-D${name}=${${name}}")
      endif()
    endforeach()
  endforeach()
  list(JOIN ARGN "\\;" packages)
  file(REMOVE_RECURSE "${folder}")
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/probe" -B "${folder}" -G "${CMAKE_GENERATOR}"
            --no-warn-unused-cli "-DMOLMO_PROBE_PACKAGES=${packages}" ${passed_on}
    RESULT_VARIABLE failed OUTPUT_QUIET ERROR_VARIABLE errors)
  file(REMOVE_RECURSE "${folder}")
  # The first paragraph of CMake's first error: what is wrong, without the stack of calls.
  string(REGEX MATCH "CMake Error[^\n]*\n+([^\n]+)" matched "${errors}")
  string(STRIP "${CMAKE_MATCH_1}" sentence)
  if(failed AND sentence STREQUAL "")
    set(sentence "it ends in an error")
  endif()
  set(${result} "${failed}" PARENT_SCOPE)
  set(${reason} "${sentence}" PARENT_SCOPE)
endfunction()

function(molmo_probe)
  if(ARGC EQUAL 0)
    return()
  endif()
  molmo_probe_run(failed reason ${ARGN})
  foreach(package IN LISTS ARGN)
    set(broken "")
    if(failed)
      molmo_probe_run(package_failed reason ${package})
      if(package_failed)
        set(broken "${reason}")
      endif()
    endif()
    set(MOLMO_BROKEN_${package} "${broken}" PARENT_SCOPE)
  endforeach()
endfunction()

macro(molmo_find_package package)
  if(NOT MOLMO_BROKEN_${package})
    set(molmo_log_level "${CMAKE_MESSAGE_LOG_LEVEL}")
    set(CMAKE_MESSAGE_LOG_LEVEL WARNING)
    find_package(${package} QUIET)
    set(CMAKE_MESSAGE_LOG_LEVEL "${molmo_log_level}")
    unset(molmo_log_level)
  endif()
endmacro()
