# SPDX-License-Identifier: Apache-2.0
# Writes molmo-<version>.tar.gz, all files of a commit, and its SHA-256 beside it:
#   cmake -D source=<checkout> -D output=<folder> [-D commit=<commit, else HEAD>] -P source_archive.cmake
# The same commit gives the same bytes: times are those of the commit, owners and permissions are fixed, nothing of the
# checkout's configuration takes part. (The compressed bytes also depend on gzip's version; the tar inside does not.)
foreach(program IN ITEMS git gzip)
  find_program(${program} ${program})
  if(NOT ${program})
    message(FATAL_ERROR "molmo: the archive is made by ${program}, which is not here")
  endif()
endforeach()
if(NOT commit)
  set(commit HEAD)
endif()
if(NOT EXISTS "${source}/.git")
  message(FATAL_ERROR "molmo: ${source} is no git checkout; an archive is made of a commit")
endif()
set(git "${git}" -C "${source}" -c core.autocrlf=false -c core.eol=lf -c tar.umask=0022)

execute_process(COMMAND ${git} show "${commit}:include/molmo/version.hpp" OUTPUT_VARIABLE header RESULT_VARIABLE failed)
string(REGEX MATCHALL "#define MOLMO_VERSION_(MAJOR|MINOR|PATCH) [0-9]+" numbers "${header}")
string(REGEX REPLACE "[^0-9;]" "" numbers "${numbers}")
string(REPLACE ";" "." version "${numbers}")
if(failed OR version STREQUAL "")
  message(FATAL_ERROR "molmo: commit '${commit}' has no version in include/molmo/version.hpp")
endif()
set(name "molmo-${version}")

file(MAKE_DIRECTORY "${output}")
execute_process(COMMAND ${git} archive --format=tar "--prefix=${name}/" "${commit}" COMMAND "${gzip}" -9n
                OUTPUT_FILE "${output}/${name}.tar.gz" RESULTS_VARIABLE results)
if(NOT results STREQUAL "0;0")
  message(FATAL_ERROR "molmo: git archive or gzip failed")
endif()
file(SHA256 "${output}/${name}.tar.gz" hash)
file(WRITE "${output}/${name}.tar.gz.sha256" "${hash}  ${name}.tar.gz\n")
message(STATUS "${output}/${name}.tar.gz: SHA-256 ${hash}")

execute_process(COMMAND ${git} --no-optional-locks status --porcelain OUTPUT_VARIABLE changes)
if(changes)
  message(STATUS "this checkout has changes that are in no commit, and so not in the archive")
endif()
