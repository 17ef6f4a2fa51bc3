# SPDX-License-Identifier: Apache-2.0
# cmake -D file=F [-D "at=a;b"] -P read_json.cmake: fails unless F holds one JSON object; prints the value at the path.
file(READ "${file}" text)
string(JSON value ERROR_VARIABLE problem GET "${text}" ${at})
if(problem)
  message(FATAL_ERROR "${file}: ${problem}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${value}")
