# SPDX-License-Identifier: Apache-2.0
# Writes a header that names the commit of the sources, for `molmo --version`:
#   cmake -D source=<folder> -D output=<header> -P commit.cmake
# An archive made by git has the commit in commit.txt; of a checkout git knows it, and whether files were changed since;
# of anything else nothing is known, and the name is empty. The header is left alone where it says so already.
file(READ "${CMAKE_CURRENT_LIST_DIR}/commit.txt" commit)
string(STRIP "${commit}" commit)
if(commit MATCHES "^[0-9a-f]+$")
  string(SUBSTRING "${commit}" 0 12 commit)
else()
  set(commit "")
  find_program(git git)
  if(git AND EXISTS "${source}/.git")
    execute_process(
      COMMAND "${git}" --no-optional-locks -C "${source}" describe --always --exclude=* --abbrev=12 "--dirty=, with changes"
      OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
set(content "// Written by commit.cmake.
#pragma once
namespace molmo_tool {
inline constexpr char commit[] = \"${commit}\";
}
")
if(EXISTS "${output}")
  file(READ "${output}" before)
endif()
if(NOT content STREQUAL before)
  file(WRITE "${output}" "${content}")
endif()
